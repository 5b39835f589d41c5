/* SPDX-License-Identifier: Apache-2.0 */
/* What a mosquitto.conf asks of the system: files, host names, interfaces. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "broker/base/text.h"
#include "broker/main/mosquitto_conf.h"
#include "broker/main/mosquitto_settings.h"
#include "broker/main/settings.h"

#define INCLUDED_END ".conf"
/* Names of a directory's files together. */
#define NAMES_MAX_BYTES ((size_t)1 << 20)

static enum rc list_files(const char *path, struct text *to, struct text *errors)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    if (directory == NULL) {
        text_format(errors, "%s: %s\n", path, strerror(errno));
        return RC_INVALID;
    }
    while ((entry = readdir(directory)) != NULL && to->len < NAMES_MAX_BYTES) {
        size_t len = strlen(entry->d_name), end = strlen(INCLUDED_END);

        if (len <= end || strcmp(entry->d_name + len - end, INCLUDED_END) != 0)
            continue;
        text_add(to, slice_of(entry->d_name, len + 1));
    }
    (void)closedir(directory); /* it was only read */
    return RC_OK;
}

static bool is_of(const struct sockaddr *address, enum mosquitto_family family)
{
    if (address == NULL)
        return false;
    if (address->sa_family == AF_INET)
        return family != MOSQUITTO_IPV6;
    return address->sa_family == AF_INET6 && family != MOSQUITTO_IPV4;
}

/* Is it one of the list already? */
static bool is_listed(const struct text *list, const char *address)
{
    struct slice rest = text_slice(list), one;

    while (slice_next_listed(&rest, &one))
        if (slice_equal_str(one, address))
            return true;
    return false;
}

static void add_address(const struct sockaddr *address, struct text *to)
{
    char told[INET6_ADDRSTRLEN];
    const void *bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    const struct in6_addr *wide = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

    if (address->sa_family == AF_INET6) {
        if (IN6_IS_ADDR_LINKLOCAL(wide))
            return; /* it means nothing without its interface */
        bytes = wide;
    }
    if (inet_ntop(address->sa_family, bytes, told, sizeof(told)) != NULL && !is_listed(to, told))
        text_format(to, "%s%s", to->len == 0 ? "" : ", ", told);
}

static enum rc resolve(const char *host, enum mosquitto_family family, struct text *to)
{
    struct addrinfo wanted = { .ai_family = AF_UNSPEC,
                               .ai_socktype = SOCK_STREAM,
                               .ai_flags = AI_PASSIVE };
    struct addrinfo *found;

    if (getaddrinfo(host, NULL, &wanted, &found) != 0)
        return RC_NOT_FOUND;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next)
        if (is_of(one->ai_addr, family))
            add_address(one->ai_addr, to);
    freeaddrinfo(found);
    return to->len == 0 ? RC_NOT_FOUND : RC_OK;
}

static enum rc find_interface(const char *name, enum mosquitto_family family, struct text *to)
{
    struct ifaddrs *all;

    if (getifaddrs(&all) != 0)
        return RC_NOT_FOUND;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
        if (strcmp(one->ifa_name, name) == 0 && is_of(one->ifa_addr, family))
            add_address(one->ifa_addr, to);
    freeifaddrs(all);
    return to->len == 0 ? RC_NOT_FOUND : RC_OK;
}

const struct mosquitto_files mosquitto_system = { settings_load_file, list_files, resolve,
                                                  find_interface };
