#pragma once
#include <stddef.h>
#include <stdint.h>

int FrameFuzz_main(int argc, char **argv);
int SessionFuzz_main(int argc, char **argv);
