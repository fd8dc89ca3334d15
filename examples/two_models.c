/* Two models in one program: each has the functions of its own header. `coarse` and `fine` take the
 * same image and have weights of their own:
 *   netc coarse.net --emit lib --library lib; netc fine.net --emit lib --library lib
 *   cc two_models.c -Ilib -Llib -Wl,-rpath,lib -lcoarse -lfine -o two_models
 */
#include "coarse.h"
#include "fine.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t largest(const float *scores, int64_t count) {
  int64_t best = 0, i;
  for (i = 1; i < count; ++i)
    best = scores[i] > scores[best] ? i : best;
  return best;
}

int main(int argc, char **argv) {
  coarse_context *coarse;
  fine_context *fine;
  coarse_tensor image, groups;
  fine_tensor kinds;
  int status = 1;
  if (argc != 4) {
    fprintf(stderr, "usage: %s COARSE_WEIGHTS FINE_WEIGHTS IMAGE\n", argv[0]);
    return 2;
  }
  coarse_input(0, &image);
  coarse_output(0, &groups);
  fine_output(0, &kinds);
  float *pixels = malloc((size_t)image.elements * sizeof(float));
  float *scores = malloc((size_t)(groups.elements + kinds.elements) * sizeof(float));
  const float *inputs[] = {pixels};
  float *first[] = {scores}, *second[] = {scores + groups.elements};
  int ready = coarse_create_from_file(argv[1], 1, &coarse) == coarse_ok;
  ready &= fine_create_from_file(argv[2], 1, &fine) == fine_ok;
  if (ready && coarse_read_image(coarse, argv[3], pixels) == coarse_ok &&
      coarse_infer(coarse, 1, inputs, first) == coarse_ok &&
      fine_infer(fine, 1, inputs, second) == fine_ok) {
    printf("group %lld, kind %lld\n", (long long)largest(first[0], groups.elements),
           (long long)largest(second[0], kinds.elements));
    status = 0;
  } else {
    fprintf(stderr, "error: %s%s\n", coarse_last_error(coarse), fine_last_error(fine));
  }
  coarse_destroy(coarse);
  fine_destroy(fine);
  free(scores);
  free(pixels);
  return status;
}
