//===- Schema.h - the messages of Caffe that are read -----------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_CAFFE_SCHEMA_H
#define NETC_FRONTEND_IMPORT_CAFFE_SCHEMA_H

#ifdef NETC_HAVE_ONNX

#include <google/protobuf/descriptor.h>

namespace netc::frontend::caffe {

/// Adds the messages "caffe.NetParameter" and what it consists of.
bool buildSchema(google::protobuf::DescriptorPool &pool);

} // namespace netc::frontend::caffe

#endif

#endif // NETC_FRONTEND_IMPORT_CAFFE_SCHEMA_H
