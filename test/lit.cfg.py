# Configuration of the IR tests. `make check-ir`, or: llvm-lit -sv BUILD/test
import os

import lit.formats

config.name = "netc"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir", ".net", ".test"]
config.excludes = ["lit.cfg.py", "unit", "numeric", "Inputs", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.netc_build, "test", "lit")
config.substitutions.append(("%models", os.path.join(os.path.dirname(config.test_source_root), "models")))
config.environment["PATH"] = os.path.pathsep.join(
    [os.path.join(config.netc_build, "bin"), config.llvm_tools, config.environment["PATH"]])
