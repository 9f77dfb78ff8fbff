# Fuzz targets: one line each at the end.  tests/fuzz/fuzz_<name>.c defines
# LLVMFuzzerTestOneInput(); tests/fuzz/corpus/<name>/ holds its inputs.
#
# Every build makes replay_<name>, which runs the corpus in the normal suite.  With GBILL_FUZZ
# (clang) there is also fuzz_<name>, the fuzzer itself: ./dev fuzz <name> [seconds].
set(GBILL_FUZZ_DIR "${CMAKE_CURRENT_LIST_DIR}")

function(gbill_fuzz name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINKS")
    add_executable(replay_${name} "${GBILL_FUZZ_DIR}/fuzz_${name}.c"
        "${GBILL_FUZZ_DIR}/replay_main.c")
    target_link_libraries(replay_${name} PRIVATE ${arg_LINKS})
    add_test(NAME fuzz_${name} COMMAND replay_${name} "${GBILL_FUZZ_DIR}/corpus/${name}")
    set_tests_properties(fuzz_${name} PROPERTIES LABELS unit TIMEOUT 60)
    if(GBILL_FUZZ)
        foreach(library IN LISTS arg_LINKS)
            target_compile_options(${library} PRIVATE -fsanitize=fuzzer-no-link)
        endforeach()
        add_executable(fuzz_${name} "${GBILL_FUZZ_DIR}/fuzz_${name}.c")
        target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer-no-link)
        target_link_libraries(fuzz_${name} PRIVATE ${arg_LINKS})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    endif()
endfunction()

gbill_fuzz(mp LINKS gbill_store gbill_base)
gbill_fuzz(event_parse LINKS gbill_store gbill_base)
gbill_fuzz(event_read LINKS gbill_store gbill_base)
gbill_fuzz(time LINKS gbill_base)
gbill_fuzz(money LINKS gbill_base)
gbill_fuzz(forward LINKS gbill_ingest gbill_store gbill_base)
gbill_fuzz(block LINKS gbill_store gbill_base)
gbill_fuzz(price_import LINKS gbill_rollup gbill_store gbill_base)
gbill_fuzz(tail LINKS gbill_store gbill_base)
gbill_fuzz(ack LINKS gbill_client gbill_store gbill_base)
gbill_fuzz(spill LINKS gbill_client gbill_store gbill_base)
