/*===- Transport.h - what processes exchange bytes through -------*- C -*-===*\
|*
|* The interface between the runtime and a library of messages. netc compiles the file that
|* implements it (mpi/Mpi.c) when it links an executable with `--comm`, against the library that is
|* installed there: the runtime's archive depends on none.
|*
\*===----------------------------------------------------------------------===*/
#ifndef NETC_RUNTIME_COMM_TRANSPORT_H
#define NETC_RUNTIME_COMM_TRANSPORT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calls are collective: every process makes the same ones in the same order, from the thread that
   opened the transport. Where one fails, the library ends all processes with a message. */
typedef struct NetcTransport {
  uint32_t rank, size;
  const char *host;    /* this process's, as the library names it */
  const char *library; /* "Open MPI v4.1.4" */

  /* Every process gets rank 0's bytes. */
  void (*broadcast)(void *bytes, uint64_t size);
  /* Every process gets everyone's `size` bytes, by rank. */
  void (*gather)(const void *bytes, uint64_t size, void *all);
  /* Process q gets the q-th part of `send`, of send_bytes[q] bytes; what process p sent lies in
     `receive` by p, receive_bytes[p] of it. At most 1 GiB in all. */
  void (*exchange)(const void *send, const uint64_t *send_bytes, void *receive,
                   const uint64_t *receive_bytes);
  /* The same two, while the process goes on: the buffers stay as they are until the request is
     done. What a gather gives may lie in its place of `all`. All processes begin their exchanges in
     one order, and their gathers; calls of other kinds may come in between. */
  void *(*begin_exchange)(const void *send, const uint64_t *send_bytes, void *receive,
                          const uint64_t *receive_bytes);
  void *(*begin_gather)(const void *bytes, uint64_t size, void *all);
  /* 1: the request is done, and gone. 0: it is not; with `wait` there is no 0. */
  int (*complete)(void *request, int wait);
  void (*barrier)(void);
  /* Ends all processes with this exit code; does not return. */
  void (*abort)(int code);
  /* The last call of a process that ends by itself. */
  void (*finish)(void);
} NetcTransport;

/* Joins the processes that the launcher started. Executables that were linked without `--comm` have
   no such function. */
const NetcTransport *netc_open_transport(int *argc, char ***argv);

#ifdef __cplusplus
}
#endif

#endif /* NETC_RUNTIME_COMM_TRANSPORT_H */
