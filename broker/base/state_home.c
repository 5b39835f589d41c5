/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/state_home.h"

#include <stdlib.h>
#include <unistd.h>

#include "broker/base/text.h"

#define PLACE_OF_ROOT "/var/lib/tercet"

void state_home(struct text *to)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0)
        text_format(to, "%s", PLACE_OF_ROOT);
    else if (state != NULL && state[0] == '/')
        text_format(to, "%s/tercet", state);
    else if (home != NULL && home[0] == '/')
        text_format(to, "%s/.local/state/tercet", home);
}
