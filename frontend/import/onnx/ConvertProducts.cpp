//===- ConvertProducts.cpp - products of matrices, attention --------------===//
#include "frontend/import/onnx/Converter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace netc::frontend::onnx {

/// Matrices in the last two sizes, what is in front repeated along sizes of 1.
void Converter::generalMatmul(const Node &node) {
  std::optional<Term> a = term(node, 0), b = a ? term(node, 1) : std::nullopt;
  if (!b)
    return;
  // A constant's size of one beside the batch.
  for (auto [own, other] : {std::pair(&*a, &*b), std::pair(&*b, &*a)})
    if (!own->batched && other->batched && own->sizes.size() == other->rank() &&
        own->sizes.size() > 2 && own->sizes.front() == 1)
      *own = reshaped(*own, {own->sizes.begin() + 1, own->sizes.end()});
  bool isRow = a->sizes.size() == 1 && !a->batched, isColumn = b->sizes.size() == 1 && !b->batched;
  if (isRow)
    a = reshaped(*a, {1, a->sizes[0]});
  if (isColumn)
    b = reshaped(*b, {b->sizes[0], 1});
  bool fits = a->sizes.size() >= 2 && b->sizes.size() >= 2 &&
              a->sizes.back() == b->sizes[b->sizes.size() - 2] &&
              (a->batched == b->batched ? a->sizes.size() == b->sizes.size() || !a->batched : true);
  if (!fits)
    return fail(node, fmt::format("a product of [{}] and [{}]; expected matrices behind sizes that "
                                  "are equal or 1",
                                  fmt::join(a->sizes, ", "), fmt::join(b->sizes, ", ")));
  size_t rank = std::max(a->sizes.size(), b->sizes.size());
  Shape front;
  for (Term *each : {&*a, &*b}) {
    Shape sizes = each->sizes;
    sizes.insert(sizes.begin(), rank - sizes.size(), 1);
    *each = reshaped(*each, sizes);
  }
  for (size_t i = 0; i + 2 < rank; ++i) {
    if (a->sizes[i] != b->sizes[i] && a->sizes[i] != 1 && b->sizes[i] != 1)
      return fail(node, "sizes in front of the matrices that differ");
    front.push_back(std::max(a->sizes[i], b->sizes[i]));
  }
  for (Term *each : {&*a, &*b}) {
    Shape sizes = front;
    sizes.insert(sizes.end(), each->sizes.end() - 2, each->sizes.end());
    *each = expanded(*each, sizes);
  }
  Term result = product(*a, *b);
  Shape sizes = result.sizes;
  if (isColumn)
    sizes.pop_back();
  if (isRow)
    sizes.erase(sizes.end() - (isColumn ? 1 : 2));
  defineTerm(node, reshaped(result, sizes));
}

void Converter::generalGemm(const Node &node) {
  std::optional<Term> a = term(node, 0), b = a ? term(node, 1) : std::nullopt;
  bool failed = false;
  std::optional<Term> c = b ? optionalTerm(node, 2, failed) : std::nullopt;
  if (!b || failed)
    return;
  if (a->batched || a->sizes.size() != 2 || b->sizes.size() != 2)
    return fail(node, "of a computed matrix; expected weights that the file holds, or an import "
                      "with --no-batch");
  if (number(node, "transA", 0))
    a = permuted(*a, {1, 0});
  bool transposes = number(node, "transB", 0);
  if (a->sizes[1] != b->sizes[transposes ? 1 : 0])
    return fail(node, "matrices that do not fit");
  Term result = affine(product(*a, *b, transposes), real(node, "alpha", 1), 0);
  if (c) {
    Term more = affine(*c, real(node, "beta", 1), 0);
    if (!broadcast(node, result, more))
      return;
    result = add(result, more);
  }
  defineTerm(node, result);
}

/// Of one or two operands, each letter once in each of them.
void Converter::einsum(const Node &node) {
  auto found = node.attributes.find("equation");
  std::string text;
  for (char c : found == node.attributes.end() ? std::string() : found->second.s)
    text += c == ' ' ? "" : std::string(1, c);
  size_t arrow = text.find("->");
  std::vector<std::string> parts(1);
  for (char c : text.substr(0, arrow))
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  std::string out = arrow == std::string::npos ? "" : text.substr(arrow + 2);
  auto isPlain = [](const std::string &part) {
    for (size_t i = 0; i < part.size(); ++i)
      if (part[i] == '.' || part.find(part[i], i + 1) != std::string::npos)
        return false;
    return true;
  };
  bool fits = arrow != std::string::npos && parts.size() == node.inputs.size() &&
              parts.size() <= 2 && isPlain(out);
  for (const std::string &part : parts)
    fits &= isPlain(part);
  std::vector<Term> terms;
  for (size_t i = 0; fits && i < parts.size(); ++i) {
    std::optional<Term> each = term(node, i);
    if (!each)
      return;
    fits = !each->batched && each->sizes.size() == parts[i].size();
    terms.push_back(*each);
  }
  if (!fits)
    return fail(node, fmt::format("equation '{}'; expected one or two operands without '...' and "
                                  "without diagonals, and an import with --no-batch",
                                  text));
  auto has = [](const std::string &part, char c) { return part.find(c) != std::string::npos; };
  // What only one operand has and the result has not is summed at once.
  for (size_t i = 0; i < parts.size(); ++i) {
    std::vector<size_t> gone;
    std::string rest;
    for (size_t axis = 0; axis < parts[i].size(); ++axis) {
      char c = parts[i][axis];
      bool isNeeded = has(out, c) || (parts.size() == 2 && has(parts[1 - i], c));
      if (isNeeded)
        rest += c;
      else
        gone.push_back(axis);
    }
    terms[i] = *reduced(node, terms[i], gone, "ReduceSum");
    parts[i] = rest;
  }
  std::string order = parts[0];
  Term result = terms[0];
  auto arranged = [&](size_t i, const std::string &letters) {
    std::vector<int64_t> axes;
    for (char c : letters)
      axes.push_back(int64_t(parts[i].find(c)));
    return permuted(terms[i], axes);
  };
  if (parts.size() == 2) {
    std::string shared, depth, left, right;
    for (char c : parts[0])
      (has(parts[1], c) ? has(out, c) ? shared : depth : left) += c;
    for (char c : parts[1])
      right += has(parts[0], c) ? "" : std::string(1, c);
    auto sizeOf = [&](const std::string &letters, size_t i) {
      int64_t size = 1;
      for (char c : letters)
        size *= terms[i].sizes[parts[i].find(c)];
      return size;
    };
    Term a = reshaped(arranged(0, shared + left + depth),
                      {sizeOf(shared, 0), sizeOf(left, 0), sizeOf(depth, 0)});
    Term b = reshaped(arranged(1, shared + right + depth),
                      {sizeOf(shared, 1), sizeOf(right, 1), sizeOf(depth, 1)});
    if (a.sizes[0] != b.sizes[0] || a.sizes[2] != b.sizes[2])
      return fail(node, "one letter for different sizes");
    Shape sizes;
    for (char c : shared + left)
      sizes.push_back(terms[0].sizes[parts[0].find(c)]);
    for (char c : right)
      sizes.push_back(terms[1].sizes[parts[1].find(c)]);
    if (sizes.size() > 4)
      return fail(node, "a result of more than four sizes");
    result = reshaped(product(a, b, /*transposes=*/true), sizes);
    order = shared + left + right;
  }
  std::vector<int64_t> axes;
  for (char c : out)
    if (!has(order, c))
      return fail(node, "a letter that no operand has");
    else
      axes.push_back(int64_t(order.find(c)));
  defineTerm(node, permuted(result, axes));
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// softmax(q k^T scale + mask) v, with heads in a size of their own or side by side.
void Converter::attention(const Node &node) {
  bool failed = false;
  std::optional<Term> q = term(node, 0), k = q ? term(node, 1) : std::nullopt,
                      v = k ? term(node, 2) : std::nullopt;
  if (!v)
    return;
  std::optional<Term> mask = optionalTerm(node, 3, failed), pastKey = optionalTerm(node, 4, failed),
                      pastValue = optionalTerm(node, 5, failed);
  if (failed)
    return;
  if (q->sizes.size() == 3)
    return fail(node, "heads side by side, which versions of ONNX order differently; expected four "
                      "sizes [batch, heads, tokens, features]");
  int64_t heads = number(node, "q_num_heads", 0), keyHeads = number(node, "kv_num_heads", 0);
  bool isFlat = q->sizes.size() == 3;
  bool fits = !q->batched && k->sizes.size() == q->sizes.size() &&
              v->sizes.size() == q->sizes.size() && (isFlat || q->sizes.size() == 4) &&
              (!isFlat || (heads > 0 && keyHeads > 0 && q->sizes[2] % heads == 0 &&
                           k->sizes[2] % keyHeads == 0 && v->sizes[2] % keyHeads == 0));
  if (!fits)
    return fail(node, "expected queries, keys and values of three or four sizes, and an import "
                      "with --no-batch");
  auto withHeads = [&](Term x, int64_t count) {
    if (!isFlat)
      return x;
    Shape split{x.sizes[0], x.sizes[1], count, x.sizes[2] / count};
    return permuted(reshaped(x, split), {0, 2, 1, 3});
  };
  Term query = withHeads(*q, heads), key = withHeads(*k, keyHeads), value = withHeads(*v, keyHeads);
  if (pastKey)
    key = joined({*pastKey, key}, 2);
  if (pastValue)
    value = joined({*pastValue, value}, 2);
  defineTerm(node, key, 1);
  defineTerm(node, value, 2);
  heads = query.sizes[1];
  keyHeads = key.sizes[1];
  if (keyHeads < 1 || heads % keyHeads || value.sizes[1] != keyHeads)
    return fail(node, "numbers of heads that do not divide");
  auto repeated = [&](const Term &x) { // each group of queries has a head of the keys: tiled
    if (heads == keyHeads)
      return x;
    Shape flat{x.sizes[0], 1, keyHeads * x.sizes[2], x.sizes[3]}, all = flat, whole = x.sizes;
    all[1] = heads / keyHeads;
    whole[1] = heads;
    return reshaped(expanded(reshaped(x, flat), all), whole);
  };
  double scale = real(node, "scale", 1 / std::sqrt(double(query.sizes[3])));
  Term scores = affine(product(query, repeated(key), /*transposes=*/true), scale, 0);
  Term biased = scores;
  constexpr double never = -3e38;
  if (mask && types[node.inputs[3]] == kBool)
    mask = affine(affine(*mask, -1, 1), never, 0);
  if (number(node, "is_causal", 0)) {
    std::vector<float> later;
    for (int64_t i = 0; i < scores.sizes[2]; ++i)
      for (int64_t j = 0; j < scores.sizes[3]; ++j)
        later.push_back(j > i ? float(never) : 0);
    mask = constantTerm(node, {1, 1, scores.sizes[2], scores.sizes[3]}, std::move(later));
  }
  if (mask) {
    if (!broadcast(node, biased, *mask))
      return;
    biased = add(biased, *mask);
  }
  Term capped = biased;
  if (double cap = real(node, "softcap", 0); cap > 0)
    capped = affine(call(affine(biased, 1 / cap, 0), "tanh"), cap, 0);
  Term weights = softmaxOf(capped, 3);
  int64_t mode = number(node, "qk_matmul_output_mode", 0);
  defineTerm(node, mode == 0 ? scores : mode == 1 ? biased : mode == 2 ? capped : weights, 3);
  Term result = product(weights, repeated(value));
  if (isFlat)
    result = reshaped(permuted(result, {0, 2, 1, 3}),
                      {result.sizes[0], result.sizes[2], heads * result.sizes[3]});
  defineTerm(node, result);
}

/// Pairs of features turned by the angle of their position.
void Converter::rotary(const Node &node) {
  bool failed = false;
  std::optional<Term> x = term(node, 0), cosines = x ? term(node, 1) : std::nullopt,
                      sines = cosines ? term(node, 2) : std::nullopt;
  if (!sines)
    return;
  std::optional<Term> positions = optionalTerm(node, 3, failed);
  if (failed)
    return;
  int64_t heads = number(node, "num_heads", 0);
  bool isFlat = x->sizes.size() == 3;
  if (x->batched || (isFlat && (heads < 1 || x->sizes[2] % heads)) ||
      (!isFlat && x->sizes.size() != 4))
    return fail(node, "expected three or four sizes, and an import with --no-batch");
  Term input = *x; // [batch, tokens, heads, features]
  if (isFlat)
    input = reshaped(input, {x->sizes[0], x->sizes[1], heads, x->sizes[2] / heads});
  else
    input = permuted(input, {0, 2, 1, 3});
  int64_t features = input.sizes[3], turned = number(node, "rotary_embedding_dim", 0);
  turned = turned > 0 ? turned : features;
  int64_t half = turned / 2;
  auto angle = [&](Term table) -> std::optional<Term> {
    if (positions) { // rows of a table
      Term flat = reshaped(*positions, {elementsOf(positions->sizes)});
      Term rows = product(oneHotOf(node, flat, table.sizes[0]), table);
      table = reshaped(rows, {input.sizes[0], input.sizes[1], table.sizes[1]});
    }
    if (table.sizes.size() != 3 || table.sizes[2] < half || turned > features)
      return std::nullopt;
    table = sliced(table, 2, 0, half);
    Shape sizes{input.sizes[0], input.sizes[1], 1, half}, all = sizes;
    all[2] = input.sizes[2];
    return expanded(reshaped(table, sizes), all);
  };
  std::optional<Term> cosine = angle(*cosines), sine = angle(*sines);
  if (!cosine || !sine)
    return fail(node, "tables that do not fit its features");
  Term inner = sliced(input, 3, 0, turned);
  bool isInterleaved = number(node, "interleaved", 0);
  Term first = inner, second = inner;
  if (isInterleaved) { // even and odd features
    std::vector<int64_t> even, odd;
    for (int64_t i = 0; i < half; ++i) {
      even.push_back(2 * i);
      odd.push_back(2 * i + 1);
    }
    std::optional<Term> a = picked(node, inner, 3, even), b = picked(node, inner, 3, odd);
    if (!a || !b)
      return;
    first = *a;
    second = *b;
  } else {
    first = sliced(inner, 3, 0, half);
    second = sliced(inner, 3, half, turned);
  }
  Term below = subtract(multiply(*cosine, first), multiply(*sine, second)),
       above = add(multiply(*sine, first), multiply(*cosine, second));
  Term result = joined({below, above}, 3);
  if (isInterleaved) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < half; ++i) {
      order.push_back(i);
      order.push_back(half + i);
    }
    std::optional<Term> mixed = picked(node, result, 3, order);
    if (!mixed)
      return;
    result = *mixed;
  }
  if (turned < features)
    result = joined({result, sliced(input, 3, turned, features)}, 3);
  result = isFlat ? reshaped(result, x->sizes) : permuted(result, {0, 2, 1, 3});
  defineTerm(node, result);
}

} // namespace netc::frontend::onnx
