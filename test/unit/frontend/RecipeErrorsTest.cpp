//===- RecipeErrorsTest.cpp - mistakes in recipes -------------------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase recipeErrors[] = {
    {"layer in a recipe", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  batch      conv(3, k=1)
  epochs     a: relu(3)
}
)net",
     "", "",
     R"net(test.net:7:14: error: layer 'conv' can't be called here: no model runs
    7 |   batch      conv(3, k=1)
      |              ^~~~
  help: here stand numbers, strings, lists and what is computed from them
test.net:8:17: error: layer 'relu' can't be called here: no model runs
    8 |   epochs     a: relu(3)
      |                 ^~~~
  help: here stand numbers, strings, lists and what is computed from them
)net"},
    {"recipe for a model that is not there", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train mm {
  epochs 3
}
)net",
     "", "",
     R"net(test.net:6:7: error: a recipe for 'mm', but there is no such model; did you mean 'm'?
    6 | train mm {
      |       ^~
)net"},
    {"unknown clause", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  optimiser sgd(lr=0.1)
}
)net",
     "", "",
     R"net(test.net:7:3: error: a recipe has no 'optimiser'; did you mean 'optimizer'?
    7 |   optimiser sgd(lr=0.1)
      |   ^~~~~~~~~
  help: its clauses are augment, eval, normalize, loss, optimizer, schedule, clip_norm, accumulate, shards, ema, batch and epochs
)net"},
    {"unknown augmentation", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  augment hflipp, random_crop(8)
}
)net",
     "", "",
     R"net(test.net:7:11: error: 'augment' knows no 'hflipp'; did you mean 'hflip'?
    7 |   augment hflipp, random_crop(8)
      |           ^~~~~~
  help: it knows random_crop, random_resized_crop, center_crop, resize, hflip, vflip, random_rotation, random_affine, rand_augment, trivial_augment, auto_augment, pca_jitter, color_jitter, grayscale, gaussian_blur, random_erasing, subtract_mean, mixup, cutmix and repeated
)net"},
    {"transform that evaluation has not", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  eval resize(8), hflip
}
)net",
     "", "",
     R"net(test.net:7:19: error: 'eval' knows no 'hflip'
    7 |   eval resize(8), hflip
      |                   ^~~~~
  help: it knows resize, center_crop and ten_crop
)net"},
    {"optimizer that is not there", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  optimizer adan(lr=0.001)
}
)net",
     "", "",
     R"net(test.net:7:13: error: 'optimizer' knows no 'adan'; did you mean 'adam'?
    7 |   optimizer adan(lr=0.001)
      |             ^~~~
  help: it knows sgd, adam, adamw, lars, lamb and rmsprop
)net"},
    {"numbers of a recipe out of range", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  augment mixup(0)
  optimizer adam(lr=0.001, beta2=1)
  clip_norm 0
  accumulate 0.5
  ema 1.5
}
)net",
     "", "",
     R"net(test.net:7:17: error: 'alpha' of 'mixup' must be a number above 0, have the integer 0
    7 |   augment mixup(0)
      |                 ^
test.net:8:34: error: 'beta2' of 'adam' must be a number from 0 to below 1, have the integer 1
    8 |   optimizer adam(lr=0.001, beta2=1)
      |                                  ^
test.net:9:13: error: 'clip_norm' must be a number above 0, have the integer 0
    9 |   clip_norm 0
      |             ^
test.net:10:14: error: 'accumulate' must be an integer from 1 to 1000000, have the number 0.5
   10 |   accumulate 0.5
      |              ^~~
test.net:11:7: error: 'ema' must be a number from 0 to below 1, have the number 1.5
   11 |   ema 1.5
      |       ^~~
)net"},
    {"standard deviation of zero", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  normalize(mean=0.5, std=[0.2, 0, 0.2])
}
)net",
     "", "",
     R"net(test.net:7:27: error: 'std' of 'normalize' must be a number or a list of numbers, above 0, have the list [0.2, 0, 0.2]
    7 |   normalize(mean=0.5, std=[0.2, 0, 0.2])
      |                           ^
)net"},
    {"normalization of other channels", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  normalize(mean=[0.5, 0.5], std=0.2)
}
)net",
     "", "",
     R"net(test.net:7:3: error: 'mean' of 'normalize' has 2 values, the input has 3 channels
    7 |   normalize(mean=[0.5, 0.5], std=0.2)
      |   ^~~~~~~~~
  help: give a number a channel, one number for all, or normalize(auto)
)net"},
    {"step without points", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  schedule step(factor=0.5)
}
)net",
     "", "",
     R"net(test.net:7:12: error: 'step' needs the argument 'at'
    7 |   schedule step(factor=0.5)
      |            ^~~~
  help: it takes at, factor and every
)net"},
    {"unknown argument", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  optimizer sgd(lr=0.1, momentun=0.9)
}
)net",
     "", "",
     R"net(test.net:7:25: error: 'sgd' has no argument 'momentun'; did you mean 'momentum'?
    7 |   optimizer sgd(lr=0.1, momentun=0.9)
      |                         ^~~~~~~~
  help: it takes lr, momentum, weight_decay, nesterov, decay_weights_only, norm_decay and bias_decay
)net"},
    {"missing learning rate", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  optimizer sgd(momentum=0.9)
}
)net",
     "", "",
     R"net(test.net:7:13: error: 'sgd' needs the argument 'lr'
    7 |   optimizer sgd(momentum=0.9)
      |             ^~~
  help: it takes lr, momentum, weight_decay, nesterov, decay_weights_only, norm_decay and bias_decay
)net"},
    {"points that do not rise", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  schedule step(at=[60, 30])
}
)net",
     "", "",
     R"net(test.net:7:20: error: 'at' of 'step' must be a rising list of epochs ([30, 60]), iterations ([32k, 48k]) or fractions ([0.5, 0.75]), have the list [60, 30]
    7 |   schedule step(at=[60, 30])
      |                    ^
)net"},
    {"epochs as iterations", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  epochs 64k
}
)net",
     "", "",
     R"net(test.net:7:10: error: 'epochs' must be an integer from 1 to 1000000, have the iterations 64k
    7 |   epochs 64k
      |          ^~~
  help: only points of the schedule may be iterations
)net"},
    {"clause twice", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  augment hflip
  augment resize(8)
}
)net",
     "", "",
     R"net(test.net:8:3: error: 'augment' stands twice in the recipe
    8 |   augment resize(8)
      |   ^~~~~~~
test.net:7:3: note: the first is here
    7 |   augment hflip
      |   ^~~~~~~
  help: separate several items by commas
)net"},
    {"two recipes", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  epochs 3
}
train m {
  epochs 4
}
)net",
     "", "",
     R"net(test.net:9:7: error: model 'm' has two recipes
    9 | train m {
      |       ^
test.net:6:7: note: the first is here
    6 | train m {
      |       ^
)net"},
    {"momentum as a string", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
train m {
  optimizer sgd(lr=0.1, momentum="high")
}
)net",
     "", "",
     R"net(test.net:7:34: error: 'momentum' of 'sgd' must be a number from 0 on, have the string "high"
    7 |   optimizer sgd(lr=0.1, momentum="high")
      |                                  ^~~~~~
)net"},
};

class RecipeErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(RecipeErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, RecipeErrors, ::testing::ValuesIn(recipeErrors));

} // namespace netc::frontend
