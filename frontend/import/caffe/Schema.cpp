//===- Schema.cpp - the messages of Caffe that are read -------------------===//
#include "frontend/import/caffe/Schema.h"

#ifdef NETC_HAVE_ONNX

#include <google/protobuf/descriptor.pb.h>

#include <cassert>
#include <cctype>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

using namespace netc::frontend;
using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;

/// Names and numbers are those of Caffe's format; fields that only training has are there so that
/// they are known.
static constexpr char kSchema[] = R"proto(
message NetParameter {
  optional string name = 1;
  repeated V1LayerParameter layers = 2;
  repeated string input = 3;
  repeated int32 input_dim = 4;
  optional bool force_backward = 5;
  optional NetState state = 6;
  optional bool debug_info = 7;
  repeated BlobShape input_shape = 8;
  repeated LayerParameter layer = 100;
}
message BlobShape { repeated int64 dim = 1; }
message BlobProto {
  optional int32 num = 1;
  optional int32 channels = 2;
  optional int32 height = 3;
  optional int32 width = 4;
  repeated float data = 5;
  repeated float diff = 6;
  optional BlobShape shape = 7;
  repeated double double_data = 8;
  repeated double double_diff = 9;
}
enum Phase { TRAIN = 0; TEST = 1; }
message NetState { optional Phase phase = 1; optional int32 level = 2; repeated string stage = 3; }
message NetStateRule {
  optional Phase phase = 1;
  optional int32 min_level = 2;
  optional int32 max_level = 3;
  repeated string stage = 4;
  repeated string not_stage = 5;
}
message ParamSpec {
  optional string name = 1;
  optional int32 share_mode = 2;
  optional float lr_mult = 3;
  optional float decay_mult = 4;
}
message FillerParameter { optional string type = 1; optional float value = 2; }
enum Engine { DEFAULT = 0; CAFFE = 1; CUDNN = 2; }
message ConvolutionParameter {
  optional uint32 num_output = 1;
  optional bool bias_term = 2;
  repeated uint32 pad = 3;
  repeated uint32 kernel_size = 4;
  optional uint32 group = 5;
  repeated uint32 stride = 6;
  optional FillerParameter weight_filler = 7;
  optional FillerParameter bias_filler = 8;
  optional uint32 pad_h = 9;
  optional uint32 pad_w = 10;
  optional uint32 kernel_h = 11;
  optional uint32 kernel_w = 12;
  optional uint32 stride_h = 13;
  optional uint32 stride_w = 14;
  optional Engine engine = 15;
  optional int32 axis = 16;
  optional bool force_nd_im2col = 17;
  repeated uint32 dilation = 18;
}
message PoolingParameter {
  enum PoolMethod { MAX = 0; AVE = 1; STOCHASTIC = 2; }
  enum RoundMode { CEIL = 0; FLOOR = 1; }
  optional PoolMethod pool = 1;
  optional uint32 kernel_size = 2;
  optional uint32 stride = 3;
  optional uint32 pad = 4;
  optional uint32 kernel_h = 5;
  optional uint32 kernel_w = 6;
  optional uint32 stride_h = 7;
  optional uint32 stride_w = 8;
  optional uint32 pad_h = 9;
  optional uint32 pad_w = 10;
  optional Engine engine = 11;
  optional bool global_pooling = 12;
  optional RoundMode round_mode = 13;
}
message InnerProductParameter {
  optional uint32 num_output = 1;
  optional bool bias_term = 2;
  optional FillerParameter weight_filler = 3;
  optional FillerParameter bias_filler = 4;
  optional int32 axis = 5;
  optional bool transpose = 6;
}
message LRNParameter {
  enum NormRegion { ACROSS_CHANNELS = 0; WITHIN_CHANNEL = 1; }
  optional uint32 local_size = 1;
  optional float alpha = 2;
  optional float beta = 3;
  optional NormRegion norm_region = 4;
  optional float k = 5;
  optional Engine engine = 6;
}
message EltwiseParameter {
  enum EltwiseOp { PROD = 0; SUM = 1; MAX = 2; }
  optional EltwiseOp operation = 1;
  repeated float coeff = 2;
  optional bool stable_prod_grad = 3;
}
message BatchNormParameter {
  optional bool use_global_stats = 1;
  optional float moving_average_fraction = 2;
  optional float eps = 3;
}
message ScaleParameter {
  optional int32 axis = 1;
  optional int32 num_axes = 2;
  optional FillerParameter filler = 3;
  optional bool bias_term = 4;
  optional FillerParameter bias_filler = 5;
}
message BiasParameter {
  optional int32 axis = 1;
  optional int32 num_axes = 2;
  optional FillerParameter filler = 3;
}
message ConcatParameter { optional uint32 concat_dim = 1; optional int32 axis = 2; }
message SliceParameter {
  optional uint32 slice_dim = 1;
  repeated uint32 slice_point = 2;
  optional int32 axis = 3;
}
message DropoutParameter { optional float dropout_ratio = 1; optional bool scale_train = 2; }
message ReLUParameter { optional float negative_slope = 1; optional Engine engine = 2; }
message PReLUParameter { optional FillerParameter filler = 1; optional bool channel_shared = 2; }
message ELUParameter { optional float alpha = 1; }
message PowerParameter {
  optional float power = 1;
  optional float scale = 2;
  optional float shift = 3;
}
message SoftmaxParameter { optional Engine engine = 1; optional int32 axis = 2; }
message SigmoidParameter { optional Engine engine = 1; }
message TanHParameter { optional Engine engine = 1; }
message FlattenParameter { optional int32 axis = 1; optional int32 end_axis = 2; }
message InputParameter { repeated BlobShape shape = 1; }

message LayerParameter {
  optional string name = 1;
  optional string type = 2;
  repeated string bottom = 3;
  repeated string top = 4;
  repeated float loss_weight = 5;
  repeated ParamSpec param = 6;
  repeated BlobProto blobs = 7;
  repeated NetStateRule include = 8;
  repeated NetStateRule exclude = 9;
  optional Phase phase = 10;
  repeated bool propagate_down = 11;
  optional ConcatParameter concat_param = 104;
  optional ConvolutionParameter convolution_param = 106;
  optional DropoutParameter dropout_param = 108;
  optional EltwiseParameter eltwise_param = 110;
  optional InnerProductParameter inner_product_param = 117;
  optional LRNParameter lrn_param = 118;
  optional PoolingParameter pooling_param = 121;
  optional PowerParameter power_param = 122;
  optional ReLUParameter relu_param = 123;
  optional SigmoidParameter sigmoid_param = 124;
  optional SoftmaxParameter softmax_param = 125;
  optional SliceParameter slice_param = 126;
  optional TanHParameter tanh_param = 127;
  optional PReLUParameter prelu_param = 131;
  optional FlattenParameter flatten_param = 135;
  optional BatchNormParameter batch_norm_param = 139;
  optional ELUParameter elu_param = 140;
  optional BiasParameter bias_param = 141;
  optional ScaleParameter scale_param = 142;
  optional InputParameter input_param = 143;
}

message V1LayerParameter {
  enum LayerType {
    NONE = 0; ACCURACY = 1; BNLL = 2; CONCAT = 3; CONVOLUTION = 4; DATA = 5; DROPOUT = 6;
    EUCLIDEAN_LOSS = 7; FLATTEN = 8; HDF5_DATA = 9; HDF5_OUTPUT = 10; IM2COL = 11; IMAGE_DATA = 12;
    INFOGAIN_LOSS = 13; INNER_PRODUCT = 14; LRN = 15; MULTINOMIAL_LOGISTIC_LOSS = 16; POOLING = 17;
    RELU = 18; SIGMOID = 19; SOFTMAX = 20; SOFTMAX_LOSS = 21; SPLIT = 22; TANH = 23;
    WINDOW_DATA = 24; ELTWISE = 25; POWER = 26; SIGMOID_CROSS_ENTROPY_LOSS = 27; HINGE_LOSS = 28;
    MEMORY_DATA = 29; ARGMAX = 30; THRESHOLD = 31; DUMMY_DATA = 32; SLICE = 33; MVN = 34;
    ABSVAL = 35; SILENCE = 36; CONTRASTIVE_LOSS = 37; EXP = 38; DECONVOLUTION = 39;
  }
  repeated string bottom = 2;
  repeated string top = 3;
  optional string name = 4;
  optional LayerType type = 5;
  repeated BlobProto blobs = 6;
  repeated float blobs_lr = 7;
  repeated float weight_decay = 8;
  optional ConcatParameter concat_param = 9;
  optional ConvolutionParameter convolution_param = 10;
  optional DropoutParameter dropout_param = 12;
  optional InnerProductParameter inner_product_param = 17;
  optional LRNParameter lrn_param = 18;
  optional PoolingParameter pooling_param = 19;
  optional PowerParameter power_param = 21;
  optional EltwiseParameter eltwise_param = 24;
  optional ReLUParameter relu_param = 30;
  optional SliceParameter slice_param = 31;
  repeated NetStateRule include = 32;
  repeated NetStateRule exclude = 33;
  repeated float loss_weight = 35;
  optional TanHParameter tanh_param = 37;
  optional SigmoidParameter sigmoid_param = 38;
  optional SoftmaxParameter softmax_param = 39;
  repeated string param = 1001;
  repeated int32 blob_share_mode = 1002;
}
)proto";

static std::vector<std::string> wordsOf(const char *text) {
  std::vector<std::string> words;
  for (const char *at = text; *at; ++at) {
    if (std::isspace(static_cast<unsigned char>(*at)))
      continue;
    bool isName = std::isalnum(static_cast<unsigned char>(*at)) || *at == '_';
    words.emplace_back(1, *at);
    while (isName && (std::isalnum(static_cast<unsigned char>(at[1])) || at[1] == '_'))
      words.back() += *++at;
  }
  return words;
}

namespace {
/// Reads as much of protobuf's language as the schema uses; protobuf's own parser is part of its
/// compiler, which is not needed for anything else.
class SchemaReader {
public:
  explicit SchemaReader(std::vector<std::string> words) : words(std::move(words)) {}

  FileDescriptorProto read() {
    FileDescriptorProto file;
    file.set_name("caffe.proto");
    file.set_package("caffe");
    while (at < words.size())
      if (next() == "enum")
        enumeration(*file.add_enum_type());
      else
        message(*file.add_message_type());
    return file;
  }

private:
  std::string next() { return words[at++]; }
  int number() {
    ++at; // "="
    return std::atoi(next().c_str());
  }

  void enumeration(EnumDescriptorProto &result) {
    result.set_name(next());
    for (++at; words[at] != "}"; ++at) {
      auto *value = result.add_value();
      value->set_name(next());
      value->set_number(number());
    }
    ++at;
  }

  void message(DescriptorProto &result) {
    result.set_name(next());
    for (++at; words[at] != "}";)
      if (std::string word = next(); word == "enum")
        enumeration(*result.add_enum_type());
      else
        field(word == "repeated", *result.add_field());
    ++at;
  }

  void field(bool isRepeated, FieldDescriptorProto &result) {
    using F = FieldDescriptorProto;
    static const std::map<std::string, F::Type> scalars{
        {"string", F::TYPE_STRING}, {"bool", F::TYPE_BOOL},   {"int32", F::TYPE_INT32},
        {"uint32", F::TYPE_UINT32}, {"int64", F::TYPE_INT64}, {"float", F::TYPE_FLOAT},
        {"double", F::TYPE_DOUBLE}};
    result.set_label(isRepeated ? F::LABEL_REPEATED : F::LABEL_OPTIONAL);
    std::string type = next();
    if (auto found = scalars.find(type); found != scalars.end())
      result.set_type(found->second);
    else
      result.set_type_name(type); // protobuf finds out whether it is a message
    result.set_name(next());
    result.set_number(number());
    while (next() != ";") {
    }
  }

  std::vector<std::string> words;
  size_t at = 0;
};
} // namespace

bool caffe::buildSchema(google::protobuf::DescriptorPool &pool) {
  return pool.BuildFile(SchemaReader(wordsOf(kSchema)).read()) != nullptr;
}

#endif
