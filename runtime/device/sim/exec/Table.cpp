//===- Table.cpp - the handlers of one level ------------------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

const HandlerTable handlers = {
    selectInteger,   selectBits,        selectReal,           selectHalf,
    selectCompare,   selectCompareTo,   selectPredicate,      selectSelect,
    selectConvert,   selectConvertPair, selectMove,           selectPack,
    selectUnpack,    selectLoad,        selectStore,          selectAtomic,
    selectCopyAsync, selectLoadMatrix,  selectMultiplyMatrix, selectMultiplyWarpgroup,
    selectShuffle,   selectVote,        selectMatch,          selectReduce,
};

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
