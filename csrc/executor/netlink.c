/* The routing socket: see netlink.h. */
#include "netlink.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "sys.h"

/* The kernel answers in pieces of at most 32 KiB: netlink_dump() in net/netlink/af_netlink.c. */
#define ANSWER_SIZE 32768

int netlink_open(void)
{
	const int on = 1;
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -1;
	/* Lets the kernel leave out of a list what was not asked for. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return steal_fd(&fd);
}

struct opened {
	int fd;
	int error;
};

int netlink_open_in(int namespace_fd)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	struct opened *opened = mmap(NULL, sizeof(*opened), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct opened result;
	pid_t pid;

	if (opened == MAP_FAILED)
		return -1;
	*opened = (struct opened){ -1, EIO };
	pid = sys_clone3(&args);
	if (pid == 0) {
		opened->fd = setns(namespace_fd, CLONE_NEWNET) < 0 ? -1 : netlink_open();
		opened->error = errno;
		_exit(0);
	}
	if (pid < 0)
		*opened = (struct opened){ -1, errno };
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	result = *opened;
	(void)munmap(opened, sizeof(*opened));
	errno = result.error;
	return result.fd;
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *fixed, size_t size)
{
	memset(request, 0, sizeof(*request));
	request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
	memcpy(NLMSG_DATA(&request->header), fixed, size);
}

void netlink_add(struct netlink_request *request, uint16_t type, const void *value, size_t size)
{
	size_t start = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr attribute = { .rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type };

	if (start + RTA_SPACE(size) > sizeof(*request)) {
		request->header.nlmsg_len = sizeof(*request) + 1;
		return;
	}
	memcpy((char *)request + start, &attribute, sizeof(attribute));
	memcpy((char *)request + start + RTA_LENGTH(0), value, size);
	request->header.nlmsg_len = (uint32_t)(start + RTA_LENGTH(size));
}

const struct rtattr *netlink_find(const struct nlmsghdr *message, size_t fixed, uint16_t type, size_t least)
{
	size_t at = NLMSG_SPACE(fixed);

	while (at + sizeof(struct rtattr) <= message->nlmsg_len) {
		const struct rtattr *attribute = (const void *)((const char *)message + at);

		if (attribute->rta_len < sizeof(*attribute) || at + attribute->rta_len > message->nlmsg_len)
			break;
		if ((attribute->rta_type & NLA_TYPE_MASK) == type && RTA_PAYLOAD(attribute) >= least)
			return attribute;
		at += RTA_ALIGN(attribute->rta_len);
	}
	return NULL;
}

/* errno of an NLMSG_ERROR or NLMSG_DONE, whose first word is it; 0 for none. */
static int end_of(const struct nlmsghdr *message)
{
	int error = 0;

	if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(message), sizeof(error));
	return error < 0 ? -error : 0;
}

/* The messages of one datagram. 1: the answer goes on, 0: it is complete, -1 with errno. */
static int read_messages(const char *answer, size_t size, uint32_t sequence, netlink_visit visit, void *data)
{
	size_t at = 0;

	while (at + sizeof(struct nlmsghdr) <= size) {
		const struct nlmsghdr *message = (const void *)(answer + at);

		if (message->nlmsg_len < sizeof(*message) || at + message->nlmsg_len > size)
			break;
		at += NLMSG_ALIGN(message->nlmsg_len);
		if (message->nlmsg_seq != sequence)
			continue;
		if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
			errno = EINTR;
			return -1;
		}
		if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
			errno = end_of(message);
			return errno == 0 ? 0 : -1;
		}
		if (visit != NULL && visit(message, data) < 0)
			return -1;
	}
	return 1;
}

int netlink_do(int fd, struct netlink_request *request, netlink_visit visit, void *data)
{
	static uint32_t sequence;
	static char answer[ANSWER_SIZE] __attribute__((aligned(8)));
	int result = 1;

	if (request->header.nlmsg_len > sizeof(*request)) {
		errno = EMSGSIZE;
		return -1;
	}
	/* A single answer is followed by an acknowledgement, a list by its end: either is the last message. */
	if ((request->header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->header.nlmsg_flags |= NLM_F_ACK;
	request->header.nlmsg_seq = ++sequence;
	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -1;
	while (result > 0) {
		ssize_t got = recv(fd, answer, sizeof(answer), MSG_TRUNC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if ((size_t)got > sizeof(answer)) {
			errno = EMSGSIZE;
			return -1;
		}
		result = read_messages(answer, (size_t)got, sequence, visit, data);
	}
	return result;
}
