"""The `onnx` package that tools/install-onnx.sh puts beside the build: its checker and its reference evaluator."""
import os
import pathlib
import sys
import warnings

from compiled import NETC
from report import Unsupported

PACKAGE = pathlib.Path(os.environ.get("NETC_BUILD", pathlib.Path(NETC).parents[1])) / "onnx-package"


def load_package():
    """None where it was not fetched."""
    if str(PACKAGE) not in sys.path:
        sys.path.insert(0, str(PACKAGE))
        sys.modules.pop("typing_extensions", None)  # Debian's, which PyTorch has imported, is older than onnx takes
    warnings.simplefilter("ignore")
    try:
        import onnx
        import onnx.compose
        import onnx.numpy_helper
        return onnx
    except ImportError:
        return None


def checked(path):
    """A model file that the package's checker takes, with the shapes of all values inferred."""
    onnx = load_package()
    if onnx is None:
        raise Unsupported(f"no package onnx in {PACKAGE} (tools/install-onnx.sh)")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return model


def evaluated(model, inputs):
    """The outputs by the package's reference evaluator: numpy, node by node."""
    from onnx.reference import ReferenceEvaluator
    newer = type(model).FromString(model.SerializeToString())
    newer.opset_import[0].version = max(19, model.opset_import[0].version)  # below, it has no DequantizeLinear
    session = ReferenceEvaluator(newer)
    return dict(zip(session.output_names, session.run(None, inputs)))
