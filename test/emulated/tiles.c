/*===- tiles.c - AMX and AVX-VNNI on a CPU that lacks them ------------------===
 *
 * A shared library for LD_PRELOAD: the instructions that are SIGILL here are computed in its
 * handler, as Intel's SDM (volume 2) defines them. Each thread has tiles of its own. What a CPU
 * would refuse (shapes that do not match, a register without a configuration, reserved bytes) ends
 * the process with a message, and so does an end of the main thread with its tiles configured.
 *
 * At the end of the process a line per instruction, "tdpbf16ps 120", goes to the file that
 * EMULATED_COUNTS names.
 *
 *===----------------------------------------------------------------------===*/
#define _GNU_SOURCE
#include <cpuid.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { ROWS = 16, ROW_BYTES = 64, TILES = 8 };
struct tiles {
  int configured;
  uint8_t rows[TILES];
  uint16_t row_bytes[TILES];
  uint8_t data[TILES][ROWS][ROW_BYTES];
};
static __thread struct tiles tiles;

enum counted { LOADCONFIG, RELEASE, ZERO, LOAD, STORE, BF16, U8S8, VECTOR_U8S8, COUNTED };
static const char *const names[COUNTED] = {"ldtilecfg",  "tilerelease", "tilezero", "tileloadd",
                                           "tilestored", "tdpbf16ps",   "tdpbusd",  "vpdpbusd"};
static unsigned long counts[COUNTED];

static void count(enum counted which) { __atomic_fetch_add(&counts[which], 1, __ATOMIC_RELAXED); }

static void refuse(const char *why) {
  (void)!write(2, "emulated: ", 10);
  (void)!write(2, why, strlen(why));
  (void)!write(2, "\n", 1);
  _exit(99);
}

/*===----------------------------------------------------------------------===
 * Decoding
 *===----------------------------------------------------------------------===*/

/* A VEX-coded instruction of map 0F38. */
struct instruction {
  const uint8_t *next; /* what follows it */
  int opcode, prefix;  /* 0, 0x66, 0xf3, 0xf2 */
  int wide, is256;     /* VEX.W, VEX.L */
  int reg, rm, vvvv;   /* register numbers */
  int in_memory;
  uint8_t *address; /* base and displacement */
  int64_t stride;   /* index times scale */
};

static int64_t general(const ucontext_t *context, int number) {
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};
  return context->uc_mcontext.gregs[order[number]];
}

static int32_t displacement(const uint8_t *at) {
  int32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

/* Whether it is one; `code` points to it. */
static int decode(const ucontext_t *context, const uint8_t *code, struct instruction *out) {
  static const int prefixes[4] = {0, 0x66, 0xf3, 0xf2};
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2)
    return 0;
  int r = code[1] & 0x80 ? 0 : 8, x = code[1] & 0x40 ? 0 : 8, b = code[1] & 0x20 ? 0 : 8;
  int modrm = code[4], mod = modrm >> 6, rm = modrm & 7;
  const uint8_t *at = code + 5;
  memset(out, 0, sizeof *out);
  out->wide = code[2] >> 7, out->is256 = code[2] >> 2 & 1, out->prefix = prefixes[code[2] & 3];
  out->vvvv = ~(code[2] >> 3) & 15, out->opcode = code[3];
  out->reg = (modrm >> 3 & 7) + r, out->rm = rm + b, out->in_memory = mod != 3;
  if (mod != 3) {
    int64_t base = 0;
    int absolute = 0;
    if (rm == 4) {
      int sib = *at++, index = (sib >> 3 & 7) + x;
      if (index != 4)
        out->stride = general(context, index) * (1 << (sib >> 6));
      absolute = (sib & 7) == 5 && mod == 0;
      base = absolute ? 0 : general(context, (sib & 7) + b);
    } else if (rm == 5 && mod == 0) {
      base = (int64_t)(at + 4);
      absolute = 1;
    } else {
      base = general(context, rm + b);
    }
    if (mod == 1)
      base += (int8_t)*at++;
    else if (mod == 2 || absolute)
      base += displacement(at), at += 4;
    out->address = (uint8_t *)base;
  }
  out->next = at;
  return 1;
}

/*===----------------------------------------------------------------------===
 * Tiles
 *===----------------------------------------------------------------------===*/

static void load_config(const uint8_t *from) {
  if (from[0] != 1 || from[1] != 0)
    refuse("ldtilecfg: expected palette 1 and start_row 0");
  for (int i = 2; i < ROW_BYTES; ++i)
    if ((i < 16 || (i >= 32 && i < 48) || i >= 56) && from[i])
      refuse("ldtilecfg: reserved bytes are not zero");
  memset(&tiles, 0, sizeof tiles);
  tiles.configured = 1;
  for (int i = 0; i < TILES; ++i) {
    memcpy(&tiles.row_bytes[i], from + 16 + 2 * i, 2);
    tiles.rows[i] = from[48 + i];
    if (tiles.rows[i] > ROWS || tiles.row_bytes[i] > ROW_BYTES ||
        !tiles.rows[i] != !tiles.row_bytes[i])
      refuse("ldtilecfg: a tile has more than 16 rows of 64 bytes, or rows without bytes");
  }
}

static int tile(int number) {
  if (number >= TILES || !tiles.configured || !tiles.rows[number])
    refuse("a tile that is not configured");
  return number;
}

static void move(const struct instruction *of, int stores) {
  int t = tile(of->reg);
  for (int row = 0; row < tiles.rows[t]; ++row) {
    uint8_t *memory = of->address + row * of->stride;
    if (stores)
      memcpy(memory, tiles.data[t][row], tiles.row_bytes[t]);
    else
      memset(tiles.data[t][row], 0, ROW_BYTES), memcpy(tiles.data[t][row], memory, tiles.row_bytes[t]);
  }
}

/* Denormals count as zero, here and in results. */
static float flushed(float value) { return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value; }

static float from_bf16(const uint8_t *at) {
  uint16_t half;
  memcpy(&half, at, sizeof half);
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return flushed(value);
}

/* A row of sums: even and odd elements have sums of their own, which are added to it. */
static void add_bf16(uint8_t *sums, const uint8_t *a, int b, int steps, int columns) {
  for (int n = 0; n < columns; ++n) {
    float even = 0, odd = 0, sum;
    for (int k = 0; k < steps; ++k) {
      const uint8_t *weights = &tiles.data[b][k][4 * n];
      even = flushed(fmaf(from_bf16(a + 4 * k), from_bf16(weights), even));
      odd = flushed(fmaf(from_bf16(a + 4 * k + 2), from_bf16(weights + 2), odd));
    }
    memcpy(&sum, sums + 4 * n, sizeof sum);
    sum = flushed(flushed(sum) + flushed(even + odd));
    memcpy(sums + 4 * n, &sum, sizeof sum);
  }
}

/* `a` unsigned, `b` signed: four products added to a sum, which wraps. */
static void add_bytes(uint8_t *sum, const uint8_t *a, const uint8_t *b) {
  uint32_t value;
  memcpy(&value, sum, sizeof value);
  for (int i = 0; i < 4; ++i)
    value += (uint32_t)((int32_t)a[i] * (int8_t)b[i]);
  memcpy(sum, &value, sizeof value);
}

static void multiply(const struct instruction *of, int is_bf16) {
  int c = tile(of->reg), a = tile(of->rm), b = tile(of->vvvv);
  if (c == a || c == b || a == b)
    refuse("a product of tiles that are not three");
  if (tiles.row_bytes[a] % 4 || tiles.row_bytes[b] % 4 || tiles.row_bytes[c] % 4 ||
      tiles.rows[a] != tiles.rows[c] || tiles.row_bytes[b] != tiles.row_bytes[c] ||
      tiles.row_bytes[a] / 4 != tiles.rows[b])
    refuse("a product of tiles whose shapes do not match");
  int steps = tiles.rows[b], columns = tiles.row_bytes[c] / 4;
  for (int row = 0; row < tiles.rows[c]; ++row) {
    if (is_bf16) {
      add_bf16(tiles.data[c][row], tiles.data[a][row], b, steps, columns);
      continue;
    }
    for (int k = 0; k < steps; ++k)
      for (int n = 0; n < columns; ++n)
        add_bytes(&tiles.data[c][row][4 * n], &tiles.data[a][row][4 * k], &tiles.data[b][k][4 * n]);
  }
}

/* Whether it was an instruction of AMX. */
static int emulate_tiles(const struct instruction *of) {
  int key = of->opcode << 8 | of->prefix;
  if (of->wide || of->is256)
    return 0;
  if (key == 0x4900 && of->in_memory)
    count(LOADCONFIG), load_config(of->address + of->stride);
  else if (key == 0x4900 && of->reg == 0)
    count(RELEASE), memset(&tiles, 0, sizeof tiles);
  else if (key == 0x49f2 && !of->in_memory)
    count(ZERO), memset(tiles.data[tile(of->reg)], 0, sizeof tiles.data[0]);
  else if (key == 0x4bf2 || key == 0x4b66)
    count(LOAD), move(of, 0);
  else if (key == 0x4bf3)
    count(STORE), move(of, 1);
  else if (key == 0x5cf3)
    count(BF16), multiply(of, 1);
  else if (key == 0x5e66)
    count(U8S8), multiply(of, 0);
  else
    return 0;
  return 1;
}

/*===----------------------------------------------------------------------===
 * AVX-VNNI
 *===----------------------------------------------------------------------===*/

/* The halves of a vector register in the frame of a signal: XSAVE's standard form. */
static uint8_t *half_of(ucontext_t *context, int number, int high) {
  static unsigned offset; /* of the upper halves */
  if (!offset) {
    unsigned a, b, c, d;
    __cpuid_count(13, 2, a, b, c, d);
    offset = b;
  }
  uint8_t *frame = (uint8_t *)context->uc_mcontext.fpregs;
  return high ? frame + offset + 16 * number : (uint8_t *)&context->uc_mcontext.fpregs->_xmm[number];
}

/* VPDPBUSD: sums in reg, unsigned bytes in vvvv, signed ones in rm or in memory. */
static int emulate_vector(ucontext_t *context, const struct instruction *of) {
  if (of->opcode != 0x50 || of->prefix != 0x66 || of->wide)
    return 0;
  count(VECTOR_U8S8);
  for (int high = 0; high <= of->is256; ++high) {
    uint8_t *sums = half_of(context, of->reg, high), *a = half_of(context, of->vvvv, high);
    uint8_t *b = of->in_memory ? of->address + of->stride + 16 * high : half_of(context, of->rm, high);
    for (int lane = 0; lane < 16; lane += 4)
      add_bytes(sums + lane, a + lane, b + lane);
  }
  if (!of->is256)
    memset(half_of(context, of->reg, 1), 0, 16);
  return 1;
}

static void handle(int signal_number, siginfo_t *info, void *opaque) {
  ucontext_t *context = opaque;
  struct instruction decoded;
  const uint8_t *code = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];
  (void)info;
  if (decode(context, code, &decoded) &&
      (emulate_tiles(&decoded) || emulate_vector(context, &decoded))) {
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)decoded.next;
    return;
  }
  signal(signal_number, SIG_DFL); /* the instruction comes again */
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGILL, &action, NULL);
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("EMULATED_COUNTS");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (tiles.configured)
    refuse("the process ends with tiles configured");
  for (int i = 0; file && i < COUNTED; ++i)
    fprintf(file, "%s %lu\n", names[i], counts[i]);
  if (file)
    fclose(file);
}
