#include <string.h>

#include "ingest/cmd_agent.h"

int
main(int argc, char **argv)
{
    static char check[] = "--check";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0)
            argv[i] = check;
    }
    return cli_main_single(&cmd_agent, argc, argv);
}
