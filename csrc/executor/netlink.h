/*
 * Requests to the kernel's routing socket: rtnetlink(7). One request at a time, buffers of fixed size, no policy.
 */
#ifndef TSRUN_NETLINK_H
#define TSRUN_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink_request {
	struct nlmsghdr header;
	char body[1024];
};

/* Begins a request with its fixed part (struct ifinfomsg, ifaddrmsg). */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *fixed, size_t size);

/* Adds an attribute. One that no longer fits makes netlink_do() fail with EMSGSIZE. */
void netlink_add(struct netlink_request *request, uint16_t type, const void *value, size_t size);

/* Called for every message of an answer. 0, or -1 with errno. */
typedef int (*netlink_visit)(const struct nlmsghdr *message, void *data);

/* Sends the request and reads the whole answer. 0, or -1 with the kernel's errno; EINTR: a list changed meanwhile. */
int netlink_do(int fd, struct netlink_request *request, netlink_visit visit, void *data);

/* The attribute of this type behind the fixed part of a message. NULL when it is missing or shorter than least. */
const struct rtattr *netlink_find(const struct nlmsghdr *message, size_t fixed, uint16_t type, size_t least);

/* A routing socket of this process' network namespace. fd, or -1 with errno. */
int netlink_open(void);

/*
 * A routing socket of another network namespace, opened by a short-lived process that shares our descriptors: this
 * process stays where it is. fd, or -1 with errno.
 */
int netlink_open_in(int namespace_fd);

#endif
