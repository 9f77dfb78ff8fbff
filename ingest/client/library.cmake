# libgbill, shared and static: the client and the few files of store/ that it stands on, with no
# library but libc.  Only what gbill.h, gbill_limit.h and gbill_tokens.h mark is visible, also of the static one: its objects are linked
# into one, in which all other names are local, so that they cannot meet an application's.
file(GLOB client_sources CONFIGURE_DEPENDS ingest/client/*.c ingest/board/*.c)
set(GBILL_CLIENT_SOURCES ${client_sources}
    store/base/buf.c store/base/clock.c store/base/err.c store/base/hash.c store/base/list.c
    store/base/money.c store/base/time.c
    store/base/utf8.c store/event/event_defect.c store/event/event_fields.c
    store/event/event_names.c store/event/event_parse.c store/event/event_plain.c
    store/event/event_usage.c store/event/mp.c
    store/tokens/bpe.c store/tokens/encodings.c store/tokens/split.c store/tokens/tokens.c)
list(TRANSFORM GBILL_CLIENT_SOURCES PREPEND "${CMAKE_SOURCE_DIR}/" REGEX "^[^/]")

add_library(gbill_objects OBJECT ${GBILL_CLIENT_SOURCES})
set_target_properties(gbill_objects PROPERTIES
    POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_include_directories(gbill_objects SYSTEM PRIVATE
    ${MSGPACK_INCLUDE_DIRS} ${XXHASH_INCLUDE_DIRS})

# The ABI changes with SOVERSION: a struct of theirs that grows is another ABI.
add_library(gbill_shared SHARED $<TARGET_OBJECTS:gbill_objects>)
set_target_properties(gbill_shared PROPERTIES
    OUTPUT_NAME gbill VERSION ${PROJECT_VERSION} SOVERSION 0 LINKER_LANGUAGE C)
target_link_libraries(gbill_shared PRIVATE Threads::Threads)
if(NOT GBILL_SANITIZE)
    target_link_options(gbill_shared PRIVATE LINKER:--no-undefined LINKER:--as-needed)
endif()

add_custom_command(OUTPUT libgbill.a
    COMMAND ${CMAKE_LINKER} -r -o gbill.o $<TARGET_OBJECTS:gbill_objects>
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden gbill.o
    COMMAND ${CMAKE_COMMAND} -E rm -f libgbill.a
    COMMAND ${CMAKE_AR} rcs libgbill.a gbill.o
    DEPENDS gbill_objects $<TARGET_OBJECTS:gbill_objects>
    COMMENT "libgbill.a" COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(gbill_static ALL DEPENDS libgbill.a)

# The examples are built here too, so that they stay true.
foreach(name track reserve count)
    add_executable(gbill_example_${name} ingest/client/example/${name}.c)
    target_include_directories(gbill_example_${name} PRIVATE ingest/client)
    target_link_libraries(gbill_example_${name} PRIVATE gbill_shared)
endforeach()
