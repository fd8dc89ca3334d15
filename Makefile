# A thin layer over CMake. On a fresh Debian 12: `make demo` and `make test`, nothing else.
BUILD ?= build
CMAKE_FLAGS = -G Ninja -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_PREFIX_PATH=/usr/lib/llvm-22
# By the environment, which counts when the folder is new: named again on an existing one by -D, CMake drops its cache.
export CC = clang-22
export CXX = clang++-22

.PHONY: wheel build demo test check gpu-kit test-gpu check-ir format lint install clean

# Leaves $(BUILD)/bin/netc and $(BUILD)/bin/net-opt.
build:
	@tools/install-packages.sh build
	@cmake -B $(BUILD) $(CMAKE_FLAGS) -DNETC_BUILD_TESTS=OFF > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD)

# Compiles resnet20, trains it on Fashion-MNIST, evaluates it, predicts a real image.
demo:
	@tools/install-packages.sh demo
	@$(MAKE) --no-print-directory build
	@tools/demo.sh $(BUILD)

test:
	@tools/install-packages.sh test
	@cmake -B $(BUILD) $(CMAKE_FLAGS) -DNETC_BUILD_TESTS=ON > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD)
	@tools/install-ptxas.sh $(BUILD)
	@tools/install-onnx.sh $(BUILD)
	@tools/install-test-packages.sh $(BUILD)
	@/usr/bin/python3 test/run_all.py --build $(BUILD)

# Five minutes: what to run before each commit.
check:
	@tools/install-packages.sh test
	@cmake -B $(BUILD) $(CMAKE_FLAGS) -DNETC_BUILD_TESTS=ON > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD)
	@/usr/bin/python3 test/run_all.py --build $(BUILD) --quick

# Rewrites all C++ by .clang-format.
format:
	@tools/install-packages.sh lint
	@git ls-files '*.cpp' '*.h' | xargs clang-format-22 -i

# Formatting of the tree; clang-tidy on what changed since LINT_BASE (`all`: everything; default: the last commit).
lint:
	@tools/install-packages.sh lint
	@cmake -B $(BUILD) $(CMAKE_FLAGS) -DNETC_BUILD_TESTS=ON > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) --target NetcDialectIncGen NetcPassesIncGen
	@tools/lint.sh $(BUILD) $(LINT_BASE)

# Leaves $(BUILD)/gpu-kit: what a machine with an NVIDIA GPU runs, without netc (docs/reference/cuda.md). Some 23 minutes of processor time the first time, packing included.
gpu-kit: build
	@tools/install-packages.sh test
	@tools/install-ptxas.sh $(BUILD)
	@/usr/bin/python3 test/gpu_kit/build.py --build $(BUILD)

# The kit, run here; UNSUPPORTED where there is no GPU.
test-gpu:
	@! /usr/bin/python3 test/gpu_kit/gpu.py || \
	  { $(MAKE) --no-print-directory gpu-kit && /usr/bin/python3 $(BUILD)/gpu-kit/check.py --out $(BUILD)/gpu-report; }

# The lit tests alone.
check-ir:
	@tools/install-packages.sh test
	@cmake -B $(BUILD) $(CMAKE_FLAGS) -DNETC_BUILD_TESTS=ON > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) --target check-ir

# Leaves dist/netc-*.whl: the Python package with the netc binary.
wheel: build
	@/usr/bin/python3 tools/make-wheel.py $(BUILD) dist

install: build
	@cmake --install $(BUILD)

clean:
	rm -rf $(BUILD) demo
