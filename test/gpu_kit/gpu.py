"""The GPU by its driver alone: is there one, what is it, how fast does it copy, how much memory is taken."""
import ctypes
import sys
import threading
import time

NAME_BYTES, MAJOR, MINOR, MULTIPROCESSORS = 256, 75, 76, 16  # cuDeviceGetAttribute
COPIES, LARGEST_COPY = 10, 2 << 30


def why_not():
    """Empty where there is a GPU to run on."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver: {error}"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "the NVIDIA driver sees no device"
    return ""


class DriverError(Exception):
    pass


class Driver:
    """The first GPU."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        self.device = ctypes.c_int()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(self.device), 0)

    def call(self, name, *arguments):
        if code := getattr(self.library, name)(*arguments):
            raise DriverError(f"{name}: CUDA error {code}")

    def attribute(self, number):
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), number, self.device)
        return value.value

    def describe(self):
        name, memory, version = ctypes.create_string_buffer(NAME_BYTES), ctypes.c_size_t(), ctypes.c_int()
        self.call("cuDeviceGetName", name, NAME_BYTES, self.device)
        self.call("cuDeviceTotalMem_v2", ctypes.byref(memory), self.device)
        self.call("cuDriverGetVersion", ctypes.byref(version))
        return {"card": name.value.decode(errors="replace"), "memory_bytes": memory.value,
                "cuda_of_driver": f"{version.value // 1000}.{version.value % 1000 // 10}", "chip": 10 * self.attribute(MAJOR) + self.attribute(MINOR),
                "multiprocessors": self.attribute(MULTIPROCESSORS)}

    def copy_bytes_per_second(self):
        """From device memory to device memory, bytes read and written; the best of several copies that no cache holds."""
        context, first, second, free, total = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        try:
            self.call("cuCtxSetCurrent", context)
            self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
            size = ctypes.c_size_t(min(LARGEST_COPY, free.value // 4))
            self.call("cuMemAlloc_v2", ctypes.byref(first), size)
            self.call("cuMemAlloc_v2", ctypes.byref(second), size)
            self.call("cuMemsetD8_v2", first, ctypes.c_ubyte(0x5a), size)
            best = float("inf")
            for _ in range(COPIES):
                self.call("cuCtxSynchronize")
                begin = time.perf_counter()
                self.call("cuMemcpyDtoD_v2", second, first, size)
                self.call("cuCtxSynchronize")
                best = min(best, time.perf_counter() - begin)
            return 2 * size.value / best
        finally:
            for memory in (first, second):
                if memory.value:
                    self.library.cuMemFree_v2(memory)
            self.library.cuDevicePrimaryCtxRelease_v2(self.device)


class NvmlMemory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class PeakMemory:
    """With it, `bytes` is the most memory of the first GPU that was taken beyond what was before; None where nobody can tell."""

    def __init__(self):
        self.bytes = None

    def used(self):
        memory = NvmlMemory()
        return memory.used if self.library.nvmlDeviceGetMemoryInfo(self.handle, ctypes.byref(memory)) == 0 else 0

    def __enter__(self):
        self.ended = threading.Event()
        self.thread = None
        try:
            self.library, self.handle = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.c_void_p()
        except OSError:
            return self
        if self.library.nvmlInit_v2() or self.library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self.handle)):
            return self
        before = self.used()
        self.bytes = 0
        self.thread = threading.Thread(target=self.watch, args=(before,), daemon=True)
        self.thread.start()
        return self

    def watch(self, before):
        while not self.ended.wait(0.01):
            self.bytes = max(self.bytes, self.used() - before)

    def __exit__(self, *_):
        self.ended.set()
        if self.thread:
            self.thread.join()


def main():
    """For `make test-gpu`: exit code 1 and the reason where there is no GPU."""
    if reason := why_not():
        print(f"UNSUPPORTED gpu: {reason}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
