//===- ImportedScales.h - scales under layers' names ------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_IMPORTEDSCALES_H
#define NETC_TOOLS_NETC_IMPORTEDSCALES_H

#include "frontend/import/Imported.h"
#include "frontend/network/Network.h"

namespace netc {

/// The scales as tensors under the names that an executable of --precision int8 reads them by;
/// `network`: the elaborated text.
std::vector<frontend::ImportedTensor> scaleTensors(const frontend::Imported &imported,
                                                   const frontend::Network &network);

} // namespace netc

#endif // NETC_TOOLS_NETC_IMPORTEDSCALES_H
