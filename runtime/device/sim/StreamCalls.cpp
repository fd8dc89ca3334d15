//===- StreamCalls.cpp - streams, events, graphs --------------------------===//
#include "runtime/device/sim/Calls.h"

using namespace netc::runtime::sim;

static CUresult streamCreate(CUstream *stream, unsigned flags) {
  NETC_SIM_ENTER;
  if (flags & ~CU_STREAM_NON_BLOCKING)
    return CUDA_ERROR_INVALID_VALUE;
  *stream = device.streams.add(std::make_unique<CUstream_st>());
  (*stream)->blocking = !(flags & CU_STREAM_NON_BLOCKING);
  return CUDA_SUCCESS;
}

static CUresult streamSynchronize(CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  CUstream_st &queue = device.resolve(stream);
  if (queue.capture) {
    queue.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return stream ? device.finish(queue) : device.finishLegacy();
}

/// What is in the stream still runs, as the driver has it.
static CUresult streamDestroy(CUstream stream) {
  NETC_SIM_ENTER;
  if (!stream || !device.streams.has(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  CUresult result = device.finish(*stream);
  for (const auto &[handle, event] : device.events)
    if (handle->stream == stream)
      handle->stream = nullptr;
  device.streams.remove(stream);
  return result;
}

static CUresult streamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream) || !device.events.has(event) || flags)
    return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  CUstream_st &queue = device.resolve(stream);
  if (event->capture) { // joins the capture; a graph keeps the order of the calls
    if (queue.capture && queue.capture != event->capture)
      return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    queue.capture = event->capture;
    return CUDA_SUCCESS;
  }
  if (queue.capture)
    return device.refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
                         "a captured stream waits for an event from outside");
  if (event->recorded == 0)
    return CUDA_SUCCESS;
  Operation operation;
  operation.kind = Operation::Kind::Wait;
  operation.event = event;
  operation.version = event->recorded;
  device.enqueue(queue, std::move(operation));
  return CUDA_SUCCESS;
}

static CUresult streamBeginCapture(CUstream stream, CUstreamCaptureMode mode) {
  NETC_SIM_ENTER;
  if (!stream)
    return device.refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                         "the default stream cannot be captured");
  if (!device.streams.has(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = device.graphs.add(std::make_unique<CUgraph_st>());
  stream->captureOrigin = true;
  stream->captureMode = mode;
  return CUDA_SUCCESS;
}

static CUresult streamEndCapture(CUstream stream, CUgraph *graph) {
  NETC_SIM_ENTER;
  *graph = nullptr;
  if (!stream || !device.streams.has(stream) || !stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  if (!stream->captureOrigin)
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  CUgraph captured = stream->capture;
  stream->captureOrigin = false;
  for (const auto &[handle, each] : device.streams)
    if (handle->capture == captured)
      handle->capture = nullptr;
  for (const auto &[handle, each] : device.events)
    if (handle->capture == captured)
      handle->capture = nullptr;
  if (captured->invalid) {
    device.graphs.remove(captured);
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  *graph = captured;
  return CUDA_SUCCESS;
}

static CUresult eventCreate(CUevent *event, unsigned flags) {
  NETC_SIM_ENTER;
  if (flags & ~(CU_EVENT_DISABLE_TIMING | 1u))
    return CUDA_ERROR_INVALID_VALUE;
  *event = device.events.add(std::make_unique<CUevent_st>());
  (*event)->timed = !(flags & CU_EVENT_DISABLE_TIMING);
  return CUDA_SUCCESS;
}

static CUresult eventRecord(CUevent event, CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.isStream(stream) || !device.events.has(event))
    return CUDA_ERROR_INVALID_HANDLE;
  CUstream_st &queue = device.resolve(stream);
  event->capture = queue.capture;
  if (queue.capture)
    return CUDA_SUCCESS;
  event->stream = stream;
  Operation operation;
  operation.kind = Operation::Kind::Record;
  operation.event = event;
  operation.version = ++event->recorded;
  device.enqueue(queue, std::move(operation));
  return CUDA_SUCCESS;
}

static CUresult eventQuery(CUevent event) {
  NETC_SIM_ENTER;
  if (!device.events.has(event))
    return CUDA_ERROR_INVALID_HANDLE;
  if (event->completed >= event->recorded)
    return CUDA_SUCCESS;
  CUresult result = device.finish(*event); // a program that polls would wait for ever
  return result != CUDA_SUCCESS ? result : CUDA_ERROR_NOT_READY;
}

static CUresult eventSynchronize(CUevent event) {
  NETC_SIM_ENTER;
  return device.events.has(event) ? device.finish(*event) : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult eventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  NETC_SIM_ENTER;
  if (!device.events.has(start) || !device.events.has(end) || !start->timed || !end->timed ||
      !start->recorded || !end->recorded)
    return CUDA_ERROR_INVALID_HANDLE;
  if (start->completed < start->recorded || end->completed < end->recorded)
    return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return CUDA_SUCCESS;
}

static CUresult eventDestroy(CUevent event) {
  NETC_SIM_ENTER;
  if (!device.events.has(event))
    return CUDA_ERROR_INVALID_HANDLE;
  CUresult result = device.finish(*event);
  device.events.remove(event);
  return result;
}

static CUresult graphInstantiate(CUgraphExec *executable, CUgraph graph, unsigned long long) {
  NETC_SIM_ENTER;
  if (!device.graphs.has(graph))
    return CUDA_ERROR_INVALID_HANDLE;
  *executable = device.executables.add(std::make_unique<CUgraphExec_st>());
  (*executable)->works = graph->works;
  return CUDA_SUCCESS;
}

static CUresult graphLaunch(CUgraphExec executable, CUstream stream) {
  NETC_SIM_ENTER;
  if (!device.executables.has(executable) || !device.isStream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  CUstream_st &queue = device.resolve(stream);
  for (const std::function<void()> &work : executable->works)
    device.enqueue(queue, work);
  return CUDA_SUCCESS;
}

static CUresult graphExecDestroy(CUgraphExec executable) {
  NETC_SIM_ENTER;
  return device.executables.remove(executable) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult graphDestroy(CUgraph graph) {
  NETC_SIM_ENTER;
  return device.graphs.remove(graph) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

void netc::runtime::sim::addStreamCalls(CudaDriver &table) {
  table.streamCreate = streamCreate;
  table.streamSynchronize = streamSynchronize;
  table.streamDestroy = streamDestroy;
  table.streamWaitEvent = streamWaitEvent;
  table.streamBeginCapture = streamBeginCapture;
  table.streamEndCapture = streamEndCapture;
  table.eventCreate = eventCreate;
  table.eventRecord = eventRecord;
  table.eventQuery = eventQuery;
  table.eventSynchronize = eventSynchronize;
  table.eventElapsedTime = eventElapsedTime;
  table.eventDestroy = eventDestroy;
  table.graphInstantiate = graphInstantiate;
  table.graphLaunch = graphLaunch;
  table.graphExecDestroy = graphExecDestroy;
  table.graphDestroy = graphDestroy;
}
