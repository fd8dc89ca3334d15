//===- Linear.td - fully connected layer and its gradients ----------------===//
#ifndef NETC_NET_LINEAR
#define NETC_NET_LINEAR

def Net_LinearOp : Net_InferredOp<"linear", [
    ModelOp, DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<ContractionOpInterface>]> {
  let summary = "y[n, o] = bias[o] + sum over i of weight[o, i] x[n, i]; of a sequence, for each token";
  let arguments = (ins Net_Tensor:$input, Net_Weight:$weight, Optional<Net_Vector>:$bias);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = [{ $input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results) }];
}

def Net_LinearInputGradOp : Net_Op<"linear_input_grad", [Pure, NotDifferentiable,
    DeclareOpInterfaceMethods<ContractionOpInterface>]> {
  let summary = "gradient of a linear layer by its input: cotangent weight";
  let arguments = (ins Net_Tensor:$cotangent, Net_Parameter:$weight);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "$cotangent `,` $weight attr-dict `:` functional-type(operands, results)";
}

def Net_LinearWeightGradOp : Net_Op<"linear_weight_grad", [Pure, NotDifferentiable,
    DeclareOpInterfaceMethods<ContractionOpInterface>]> {
  let summary = "gradient of a linear layer by its weight: cotangent^T input";
  let arguments = (ins Net_Tensor:$input, Net_Tensor:$cotangent);
  let results = (outs Net_Parameter:$result);
  let assemblyFormat = "$input `,` $cotangent attr-dict `:` functional-type(operands, results)";
}

def Net_MatmulOp : Net_Op<"matmul", [ModelOp, Pure, KeepsLogicalOrder, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "products of the matrices in the last two axes, each transposed first where the attributes say so";
  let arguments = (ins Net_Tensor:$lhs, Net_Tensor:$rhs, UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs);
  let results = (outs Net_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Net_AttentionOp : Net_Op<"attention", [Pure, KeepsLogicalOrder,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "softmax(queries keys^T + bias) values of the matrices in the last two axes";
  let description = [{
    `logarithms` has max + log(sum exp) of each row of scores, which the gradient computes them again from. A bias
    [N, b rows columns] is one of each image for b matrices and repeats over the others.
  }];
  let arguments = (ins Net_Tensor:$queries, Net_Tensor:$keys, Net_Tensor:$values, Optional<Net_Tensor>:$bias);
  let results = (outs Net_Tensor:$result, Net_Tensor:$logarithms);
  let assemblyFormat = [{
    $queries `,` $keys `,` $values (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Net_AttentionGradOp : Net_Op<"attention_grad", [Pure, NotDifferentiable, KeepsLogicalOrder]> {
  let summary = "gradients of net.attention by queries, keys, values and, if there is one, the bias";
  let arguments = (ins Net_Tensor:$queries, Net_Tensor:$keys, Net_Tensor:$values, Net_Tensor:$saved,
      Net_Tensor:$logarithms, Net_Tensor:$cotangent, Optional<Net_Tensor>:$bias);
  let results = (outs Net_Tensor:$query_grad, Net_Tensor:$key_grad, Net_Tensor:$value_grad, Optional<Net_Tensor>:$bias_grad);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

#endif
