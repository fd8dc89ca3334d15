//===- LinksNccl.cpp - marks executables of `netc --comm nccl` ------------===//
//
// netc asks the linker for this symbol; nothing else of the archive names it but weakly.
//
//===----------------------------------------------------------------------===//

extern "C" const char netc_links_nccl;
const char netc_links_nccl = 1;
