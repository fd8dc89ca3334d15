// The declarations that the runtime makes for itself beside those of nccl.h: same numbers, same
// sizes, same ways to pass each parameter.
#include <nccl.h>

#include "runtime/device/cuda/Nccl.h"

#include <type_traits>

namespace own = netc::runtime::cuda;

template <typename A, typename B> constexpr bool alike() {
  if constexpr (std::is_pointer_v<A> || std::is_pointer_v<B>)
    return std::is_pointer_v<A> && std::is_pointer_v<B>;
  else if constexpr (std::is_void_v<A> || std::is_void_v<B>)
    return std::is_void_v<A> && std::is_void_v<B>;
  else
    return sizeof(A) == sizeof(B) && alignof(A) == alignof(B) &&
           std::is_class_v<A> == std::is_class_v<B> &&
           std::is_floating_point_v<A> == std::is_floating_point_v<B>;
}

template <typename A, typename B> struct Same : std::false_type {};
template <typename A, typename... As, typename B, typename... Bs>
struct Same<A (*)(As...), B (*)(Bs...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(As) != sizeof...(Bs))
      return false;
    else
      return (alike<A, B>() && ... && alike<As, Bs>());
  }();
};

#define SAME(member, function)                                                                     \
  static_assert(Same<decltype(own::NcclLibrary::member), decltype(&function)>::value, #function)
SAME(getVersion, ncclGetVersion);
SAME(getUniqueId, ncclGetUniqueId);
SAME(commInitRank, ncclCommInitRank);
SAME(commDestroy, ncclCommDestroy);
SAME(commAbort, ncclCommAbort);
SAME(commGetAsyncError, ncclCommGetAsyncError);
SAME(getErrorString, ncclGetErrorString);
SAME(groupStart, ncclGroupStart);
SAME(groupEnd, ncclGroupEnd);
SAME(send, ncclSend);
SAME(recv, ncclRecv);
SAME(allGather, ncclAllGather);
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 13, 0)
SAME(getLastError, ncclGetLastError);
#endif

static_assert(sizeof(own::ncclUniqueId) == sizeof(::ncclUniqueId) &&
              NCCL_UNIQUE_ID_BYTES == sizeof(own::ncclUniqueId));
static_assert(int(own::ncclSuccess) == int(::ncclSuccess) && int(own::ncclInt8) == int(::ncclInt8));
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 14, 0)
static_assert(int(own::ncclInProgress) == int(::ncclInProgress));
#endif
static_assert(NCCL_VERSION(2, 9, 6) == own::oldestCapturedNccl);
