# What the tests of the sanitizer presets run with. ASSAY_TEST_ENVIRONMENT is empty in every other preset.
# A report ends the program with 99, which no command of assay uses.

set(ASSAY_TEST_ENVIRONMENT "")
if(ASSAY_SANITIZE)
  set(ASSAY_TEST_ENVIRONMENT
    "ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=1"
    "LSAN_OPTIONS=exitcode=99"
    "UBSAN_OPTIONS=exitcode=99:print_stacktrace=1"
    "TSAN_OPTIONS=exitcode=99:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/tools/sanitizers/tsan.supp"
    # XGBoost's OpenMP threads spin while they wait, and starve the rest once it runs many times slower.
    "OMP_NUM_THREADS=1"
    "OMP_WAIT_POLICY=passive")
endif()
