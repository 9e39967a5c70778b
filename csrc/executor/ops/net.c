/* LOOPBACK_UP, HOSTNAME, DOMAINNAME: netdevice(7), sethostname(2), setdomainname(2). */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../cleanup.h"
#include "../context.h"

int op_loopback_up(struct context *ctx, const struct op_loopback_up *op, struct failure *reterr)
{
	/* Any family answers these requests; this one is there on a kernel without IPv4 too. */
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo" };

	(void)ctx;
	(void)op;
	if (fd < 0)
		return FAIL(reterr, "socket");
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return FAIL(reterr, "ioctl");
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return FAIL(reterr, "ioctl");
	return 0;
}

int op_hostname(struct context *ctx, const struct op_hostname *op, struct failure *reterr)
{
	const char *name = plan_str(&ctx->plan, op->name);

	return sethostname(name, strlen(name)) < 0 ? FAIL(reterr, "sethostname") : 0;
}

int op_domainname(struct context *ctx, const struct op_domainname *op, struct failure *reterr)
{
	const char *name = plan_str(&ctx->plan, op->name);

	return setdomainname(name, strlen(name)) < 0 ? FAIL(reterr, "setdomainname") : 0;
}
