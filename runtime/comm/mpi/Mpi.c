/*===- Mpi.c - a transport over MPI ------------------------------*- C -*-===*\
|*
|* Compiled by netc when it links an executable with `--comm mpi`: implementations of MPI share an
|* interface in C but no binary one.
|*
\*===----------------------------------------------------------------------===*/
#include "runtime/comm/Transport.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MPI counts in int. */
#define MOST ((uint64_t)1 << 30)

static NetcTransport transport;
static char host[MPI_MAX_PROCESSOR_NAME], library[MPI_MAX_LIBRARY_VERSION_STRING];
/* Each kind of call that goes on has a communicator: its order is its own. */
static MPI_Comm exchanges, gathers;
static int *counts; /* of `exchange`: bytes and places to send, bytes and places to receive */

static void broadcast(void *bytes, uint64_t size) {
  for (uint64_t done = 0; done < size; done += MOST) {
    uint64_t part = size - done < MOST ? size - done : MOST;
    MPI_Bcast((char *)bytes + done, (int)part, MPI_BYTE, 0, MPI_COMM_WORLD);
  }
}

static void gather(const void *bytes, uint64_t size, void *all) {
  MPI_Datatype item; /* of `size` bytes: the total may exceed an int */
  MPI_Type_contiguous((int)size, MPI_BYTE, &item);
  MPI_Type_commit(&item);
  MPI_Allgather(bytes, 1, item, all, 1, item, MPI_COMM_WORLD);
  MPI_Type_free(&item);
}

static void place(const uint64_t *bytes, int *sizes, int *places) {
  int at = 0;
  for (uint32_t i = 0; i < transport.size; ++i) {
    sizes[i] = (int)bytes[i];
    places[i] = at;
    at += sizes[i];
  }
}

static void exchange(const void *send, const uint64_t *send_bytes, void *receive,
                     const uint64_t *receive_bytes) {
  int *sent = counts, *sent_at = sent + transport.size, *got = sent_at + transport.size,
      *got_at = got + transport.size;
  place(send_bytes, sent, sent_at);
  place(receive_bytes, got, got_at);
  MPI_Alltoallv(send, sent, sent_at, MPI_BYTE, receive, got, got_at, MPI_BYTE, MPI_COMM_WORLD);
}

static void end_all(int code) {
  MPI_Abort(MPI_COMM_WORLD, code);
  _Exit(code);
}

/* A call that goes on, with what it reads until its end. */
typedef struct Request {
  MPI_Request handle;
  MPI_Datatype item;
  int counts[];
} Request;

static Request *new_request(size_t counts_of) {
  Request *request = calloc(1, sizeof(Request) + counts_of * sizeof(int));
  if (!request) {
    fprintf(stderr, "error: rank %u on %s: out of memory\n", (unsigned)transport.rank, host);
    end_all(1);
  }
  request->item = MPI_DATATYPE_NULL;
  return request;
}

static void *begin_exchange(const void *send, const uint64_t *send_bytes, void *receive,
                            const uint64_t *receive_bytes) {
  Request *request = new_request(4 * (size_t)transport.size);
  int *sent = request->counts, *sent_at = sent + transport.size, *got = sent_at + transport.size,
      *got_at = got + transport.size;
  place(send_bytes, sent, sent_at);
  place(receive_bytes, got, got_at);
  MPI_Ialltoallv(send, sent, sent_at, MPI_BYTE, receive, got, got_at, MPI_BYTE, exchanges,
                 &request->handle);
  return request;
}

static void *begin_gather(const void *bytes, uint64_t size, void *all) {
  Request *request = new_request(0);
  MPI_Type_contiguous((int)size, MPI_BYTE, &request->item);
  MPI_Type_commit(&request->item);
  const void *own = (char *)all + transport.rank * size;
  MPI_Iallgather(bytes == own ? MPI_IN_PLACE : bytes, 1, request->item, all, 1, request->item,
                 gathers, &request->handle);
  return request;
}

static int complete(void *of, int wait) {
  Request *request = of;
  int done = 1;
  if (wait)
    MPI_Wait(&request->handle, MPI_STATUS_IGNORE);
  else
    MPI_Test(&request->handle, &done, MPI_STATUS_IGNORE);
  if (!done)
    return 0;
  if (request->item != MPI_DATATYPE_NULL)
    MPI_Type_free(&request->item);
  free(request);
  return 1;
}

static void barrier(void) { MPI_Barrier(MPI_COMM_WORLD); }

static void finish(void) { MPI_Finalize(); }

/* "Open MPI v4.1.4" of "Open MPI v4.1.4, package: …"; MPICH has a tab before its number. */
static void shorten(char *text) {
  text[strcspn(text, ",\n")] = 0;
  for (; *text; ++text)
    if (*text == '\t')
      *text = ' ';
}

const NetcTransport *netc_open_transport(int *argc, char ***argv) {
  int given, rank, size, length;
  /* A process that waits gives its core to the threads of another. */
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &given);
  MPI_Comm_dup(MPI_COMM_WORLD, &exchanges);
  MPI_Comm_dup(MPI_COMM_WORLD, &gathers);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Get_processor_name(host, &length);
  MPI_Get_library_version(library, &length);
  shorten(library);
  transport.rank = (uint32_t)rank;
  transport.size = (uint32_t)size;
  transport.host = host;
  transport.library = library;
  transport.broadcast = broadcast;
  transport.gather = gather;
  transport.exchange = exchange;
  transport.begin_exchange = begin_exchange;
  transport.begin_gather = begin_gather;
  transport.complete = complete;
  transport.barrier = barrier;
  transport.abort = end_all;
  transport.finish = finish;
  counts = calloc(4 * (size_t)size, sizeof(int));
  return &transport;
}
