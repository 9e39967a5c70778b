/*
 * NET_DEVICE and NET_DEVICES_BACK: devices of the host's that move into the container's network namespace with their
 * addresses. rtnetlink(7), network_namespaces(7).
 *
 * Nothing of theirs is changed but what moving changes: MTU and hardware address stay, the kernel takes the device down
 * and drops its addresses, so it is set up again and gets those back that are permanent and global.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../cleanup.h"
#include "../context.h"
#include "../netlink.h"
#include "../procfs.h"

#define ADDRESSES_MAX 64
#define LIST_TRIES    5

/* Those that a caller of RTM_NEWADDR may set; the others tell a state. */
#define KEPT_FLAGS (IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

struct device {
	uint32_t index;
	uint32_t flags;
};

struct address {
	struct ifaddrmsg header;
	uint32_t flags;
	unsigned char local[16];
	unsigned char peer[16];
	unsigned char broadcast[4];
	bool has_local;
	bool has_broadcast;
};

struct addresses {
	uint32_t index;
	unsigned int count;
	struct address list[ADDRESSES_MAX];
};

/* One side of a move. */
struct side {
	int socket_fd;
	int namespace_fd;
};

static int visit_device(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct device *device = data;

	if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	device->index = (uint32_t)info->ifi_index;
	device->flags = info->ifi_flags;
	return 0;
}

/* By name, or by index when name is NULL. ENODEV: there is none. */
static int find_device(int fd, const char *name, uint32_t index, struct device *ret_device)
{
	const struct ifinfomsg info = { .ifi_index = name == NULL ? (int)index : 0 };
	struct netlink_request request;

	memset(ret_device, 0, sizeof(*ret_device));
	netlink_begin(&request, RTM_GETLINK, 0, &info, sizeof(info));
	if (name != NULL)
		netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return netlink_do(fd, &request, visit_device, ret_device);
}

static size_t address_size(const struct address *address)
{
	return address->header.ifa_family == AF_INET ? 4 : 16;
}

static void read_address(const struct nlmsghdr *message, struct address *ret_address)
{
	size_t size = address_size(ret_address);
	const struct rtattr *local = netlink_find(message, sizeof(struct ifaddrmsg), IFA_LOCAL, size);
	const struct rtattr *peer = netlink_find(message, sizeof(struct ifaddrmsg), IFA_ADDRESS, size);
	const struct rtattr *broadcast = netlink_find(message, sizeof(struct ifaddrmsg), IFA_BROADCAST, 4);

	ret_address->has_local = local != NULL;
	ret_address->has_broadcast = broadcast != NULL;
	if (local != NULL)
		memcpy(ret_address->local, RTA_DATA(local), size);
	if (peer != NULL)
		memcpy(ret_address->peer, RTA_DATA(peer), size);
	if (broadcast != NULL)
		memcpy(ret_address->broadcast, RTA_DATA(broadcast), 4);
}

/* Keeps what is permanent and global: the kernel makes link-local addresses anew, and others come from a router. */
static int visit_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	struct addresses *addresses = data;
	const struct rtattr *attribute;
	struct address *address;
	uint32_t flags;

	if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)))
		return 0;
	attribute = netlink_find(message, sizeof(*header), IFA_FLAGS, sizeof(flags));
	flags = header->ifa_flags;
	if (attribute != NULL)
		memcpy(&flags, RTA_DATA(attribute), sizeof(flags));
	if (header->ifa_index != addresses->index || (flags & IFA_F_PERMANENT) == 0 ||
		header->ifa_scope != RT_SCOPE_UNIVERSE ||
		(header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
		return 0;
	if (addresses->count == ADDRESSES_MAX) {
		errno = E2BIG;
		return -1;
	}
	address = &addresses->list[addresses->count++];
	*address = (struct address){ .header = *header, .flags = flags & KEPT_FLAGS };
	read_address(message, address);
	return 0;
}

static int list_addresses(int fd, uint32_t index, struct addresses *ret_addresses)
{
	const struct ifaddrmsg header = { .ifa_index = index };
	struct netlink_request request;
	int result = -1;

	for (int i = 0; i < LIST_TRIES && result < 0; i++) {
		ret_addresses->index = index;
		ret_addresses->count = 0;
		netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
		result = netlink_do(fd, &request, visit_address, ret_addresses);
		if (result < 0 && errno != EINTR)
			return -1;
	}
	return result;
}

static int add_address(int fd, uint32_t index, const struct address *address)
{
	struct ifaddrmsg header = {
		.ifa_family = address->header.ifa_family,
		.ifa_prefixlen = address->header.ifa_prefixlen,
		.ifa_scope = address->header.ifa_scope,
		.ifa_index = index,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	if (address->has_local)
		netlink_add(&request, IFA_LOCAL, address->local, address_size(address));
	netlink_add(&request, IFA_ADDRESS, address->peer, address_size(address));
	if (address->has_broadcast)
		netlink_add(&request, IFA_BROADCAST, address->broadcast, 4);
	netlink_add(&request, IFA_FLAGS, &address->flags, sizeof(address->flags));
	return netlink_do(fd, &request, NULL, NULL);
}

/* The index that the device will have: its own where that is free there, so that it is known whatever its name becomes.
 */
static int free_index(int fd, uint32_t index, uint32_t *ret_index)
{
	struct device other;

	for (*ret_index = index; *ret_index < INT32_MAX; ++*ret_index)
		if (find_device(fd, NULL, *ret_index, &other) < 0)
			return errno == ENODEV ? 0 : -1;
	errno = EOVERFLOW;
	return -1;
}

/* One request moves, renames and sets up: the kernel does it in that order. */
static int send_device(
	const struct side *from, const struct side *to, uint32_t index, uint32_t to_index, const char *name, bool up)
{
	const struct ifinfomsg info = {
		.ifi_index = (int)index,
		.ifi_change = IFF_UP,
		.ifi_flags = up ? IFF_UP : 0,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof(info));
	netlink_add(&request, IFLA_NET_NS_FD, &to->namespace_fd, sizeof(to->namespace_fd));
	netlink_add(&request, IFLA_NEW_IFINDEX, &to_index, sizeof(to_index));
	netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return netlink_do(from->socket_fd, &request, NULL, NULL);
}

/* *ret_index: the device's in the other namespace, 0 while it has not left. */
static int move_device(const struct side *from, const struct side *to, uint32_t index, const char *name, bool up,
	uint32_t *ret_index, struct failure *reterr)
{
	static struct addresses addresses;
	struct device arrived;
	uint32_t to_index;

	*ret_index = 0;
	if (list_addresses(from->socket_fd, index, &addresses) < 0)
		return FAIL(reterr, "RTM_GETADDR");
	if (free_index(to->socket_fd, index, &to_index) < 0)
		return FAIL(reterr, "RTM_GETLINK");
	if (send_device(from, to, index, to_index, name, up) < 0) {
		(void)FAIL(reterr, "RTM_NEWLINK");
		/* Refused after the move: the name, or setting it up. */
		if (find_device(to->socket_fd, NULL, to_index, &arrived) == 0)
			*ret_index = to_index;
		return -1;
	}
	*ret_index = to_index;
	for (unsigned int i = 0; i < addresses.count; i++)
		if (add_address(to->socket_fd, to_index, &addresses.list[i]) < 0)
			return FAIL(reterr, "RTM_NEWADDR");
	return 0;
}

static int open_side(struct side *ret_side, int *namespace_fd, int socket_fd, struct failure *reterr)
{
	if (socket_fd < 0)
		return FAIL(reterr, "socket");
	*ret_side = (struct side){ .socket_fd = socket_fd, .namespace_fd = *namespace_fd };
	return 0;
}

static void close_side(struct side *side)
{
	close_fd(&side->socket_fd);
}

#define cleanup_side __attribute__((cleanup(close_side)))

static int open_host(struct context *ctx, int *namespace_fd, struct side *ret_side, struct failure *reterr)
{
	*namespace_fd = procfs_open_namespace(ctx->proc_fd, "net");
	if (*namespace_fd < 0)
		return FAIL(reterr, "open");
	return open_side(ret_side, namespace_fd, netlink_open(), reterr);
}

static int open_container(struct context *ctx, struct side *ret_side, struct failure *reterr)
{
	if (ctx->network_fd < 0)
		ctx->network_fd = procfs_open_namespace_of(ctx->proc_fd, ctx->init_pid, "net");
	if (ctx->network_fd < 0)
		return FAIL(reterr, "open");
	return open_side(ret_side, &ctx->network_fd, netlink_open_in(ctx->network_fd), reterr);
}

static bool is_same(int one, int other)
{
	struct stat a;
	struct stat b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int check_name(const struct side *container, const char *name, struct failure *reterr)
{
	struct device other;

	/* A template ("eth%d") takes the first number that is free. */
	if (strchr(name, '%') != NULL)
		return 0;
	if (find_device(container->socket_fd, name, 0, &other) == 0) {
		errno = EEXIST;
		return FAIL(reterr, "RTM_NEWLINK");
	}
	return errno == ENODEV ? 0 : FAIL(reterr, "RTM_GETLINK");
}

/* For NET_DEVICES_BACK, before anything can go wrong with a device that has left. */
static struct moved_device *remember(struct context *ctx, const char *name, bool up, struct failure *reterr)
{
	struct moved_device *moved = &ctx->moved[ctx->moved_count];

	if (ctx->moved_count == MOVED_DEVICES_MAX || strlen(name) >= sizeof(moved->name)) {
		errno = E2BIG;
		(void)FAIL_AS(reterr, PROBLEM_BAD_PLAN, "net devices");
		return NULL;
	}
	*moved = (struct moved_device){ .up = up };
	strcpy(moved->name, name);
	ctx->moved_count++;
	return moved;
}

int op_net_device(struct context *ctx, const struct op_net_device *op, struct failure *reterr)
{
	const char *name = plan_str(&ctx->plan, op->name);
	const char *new_name = plan_str(&ctx->plan, op->new_name);
	cleanup_fd int host_fd = -1;
	cleanup_side struct side host = { -1, -1 };
	cleanup_side struct side container = { -1, -1 };
	struct moved_device *moved;
	struct device device;

	if (open_host(ctx, &host_fd, &host, reterr) < 0 || open_container(ctx, &container, reterr) < 0)
		return -1;
	if (is_same(host_fd, ctx->network_fd)) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_SAME_NAMESPACE, "fstat");
	}
	if (find_device(host.socket_fd, name, 0, &device) < 0)
		return FAIL(reterr, "RTM_GETLINK");
	if (check_name(&container, new_name, reterr) < 0)
		return -1;
	moved = remember(ctx, name, (device.flags & IFF_UP) != 0, reterr);
	if (moved == NULL)
		return -1;
	return move_device(&host, &container, device.index, new_name, true, &moved->index, reterr);
}

/* Create failed: what it took is given back, last first, as far as that goes. */
int op_net_devices_back(struct context *ctx, const struct op_net_devices_back *op, struct failure *reterr)
{
	cleanup_fd int host_fd = -1;
	cleanup_side struct side host = { -1, -1 };
	cleanup_side struct side container = { -1, -1 };
	int result = 0;

	(void)op;
	if (ctx->moved_count == 0)
		return 0;
	if (open_host(ctx, &host_fd, &host, reterr) < 0 || open_container(ctx, &container, reterr) < 0)
		return -1;
	for (; ctx->moved_count > 0; ctx->moved_count--) {
		const struct moved_device *moved = &ctx->moved[ctx->moved_count - 1];
		uint32_t index;

		if (moved->index != 0 &&
			move_device(&container, &host, moved->index, moved->name, moved->up, &index, reterr) < 0)
			result = -1;
	}
	close_fd(&ctx->network_fd);
	return result;
}
