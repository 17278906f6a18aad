#include "base/mutant.h"

#ifdef KITH_MUTANTS
int kith_mutant_on = KITH_MUTANT_NONE;
#endif
