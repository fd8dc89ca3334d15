//===- TcpTransport.h - a transport for the processes of torchrun -*- C++ -*-===//
//
// For what processes tell each other beside gradients, which go over NCCL: who is there, the
// recipe, figures, the first parameters. All goes through rank 0.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_COMM_TCPTRANSPORT_H
#define NETC_RUNTIME_COMM_TCPTRANSPORT_H

#include "runtime/comm/Launch.h"
#include "runtime/comm/Transport.h"

namespace netc::runtime {

/// Meets the others. A process that ends without a word, or is cut off, ends all: rank 0 names it.
const NetcTransport *openTcpTransport(const MeetingPoint &point);

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_TCPTRANSPORT_H
