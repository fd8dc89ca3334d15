/*===- UpdateBlock.h - what an item of an update computes --------*- C -*-===*/
#ifndef NETC_RUNTIME_ABI_UPDATEBLOCK_H
#define NETC_RUNTIME_ABI_UPDATEBLOCK_H

/* A command of `update` that writes parameters or optimizer state has items of so many elements:
   item i computes elements [i * NETC_UPDATE_BLOCK, (i + 1) * NETC_UPDATE_BLOCK) of one parameter.
 */
#define NETC_UPDATE_BLOCK 4096

/* On a GPU a block has as many elements as its threads, or so many times more where the parameter's
   size is a multiple of this. */
#define NETC_GPU_UPDATE_WIDTH 4

#endif /* NETC_RUNTIME_ABI_UPDATEBLOCK_H */
