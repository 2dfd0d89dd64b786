// SwiftPM renames the entry point of each executable to <target>_main and points main at it, so libFuzzer's own main is
// never linked. These hand over to libFuzzer's driver instead.
#include "FuzzMain.h"

typedef int (*FuzzCallback)(const uint8_t *bytes, size_t count);
extern int LLVMFuzzerRunDriver(int *argc, char ***argv, FuzzCallback callback);
extern int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int FrameFuzz_main(int argc, char **argv) { return LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput); }
int SessionFuzz_main(int argc, char **argv) { return LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput); }
