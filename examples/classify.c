/* Classifies image files with any model that `netc --emit lib --library DIR` wrote:
 *   cc classify.c -IDIR -LDIR -Wl,-rpath,DIR -lmodel -o classify
 *   ./classify weights.safetensors cat.png dog.jpg
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

static int failed(model_context *context) {
  fprintf(stderr, "error: %s\n", model_last_error(context));
  return 1;
}

int main(int argc, char **argv) {
  model_context *context;
  model_tensor image, scores;
  int i, status = 0;
  if (argc < 3) {
    fprintf(stderr, "usage: %s WEIGHTS IMAGE...\n", argv[0]);
    return 2;
  }
  model_input(0, &image);
  model_output(0, &scores);
  float *pixels = malloc((size_t)image.elements * sizeof(float));
  float *logits = malloc((size_t)scores.elements * sizeof(float));
  const float *inputs[] = {pixels};
  float *outputs[] = {logits};
  if (model_create_from_file(argv[1], 0, &context) != model_ok)
    status = failed(context);
  for (i = 2; i < argc && status == 0; ++i) {
    int64_t best = 0, c;
    if (model_read_image(context, argv[i], pixels) != model_ok ||
        model_infer(context, 1, inputs, outputs) != model_ok) {
      status = failed(context);
      break;
    }
    for (c = 1; c < scores.elements; ++c)
      best = logits[c] > logits[best] ? c : best;
    const char *name = model_class_name(context, (size_t)best);
    printf("%s: class %lld%s%s\n", argv[i], (long long)best, name ? ", " : "", name ? name : "");
  }
  model_destroy(context);
  free(logits);
  free(pixels);
  return status;
}
