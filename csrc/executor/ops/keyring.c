/*
 * SESSION_KEYRING: a session keyring of the container's own, so that it finds none of the caller's
 * keys. keyctl(2), session-keyring(7).
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../context.h"
#include "../sys.h"

/* "type;uid;gid;perm;description", perm in hex: the only place where the kernel tells it. */
static int add_permissions(long keyring, uint32_t permissions)
{
	char text[512];
	const char *at = text;
	unsigned long held;

	if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, keyring, text, sizeof(text)) < 0)
		return -1;
	text[sizeof(text) - 1] = '\0';
	for (int field = 0; field < 3 && at != NULL; field++)
		at = strchr(at + (field > 0), ';');
	held = at == NULL ? 0 : strtoul(at + 1, NULL, 16);
	return (int)syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, held | permissions);
}

int op_session_keyring(struct context *ctx, const struct op_session_keyring *op, struct failure *reterr)
{
	char name[NAME_MAX + sizeof("_ses.")];
	long keyring;

	(void)snprintf(name, sizeof(name), "_ses.%s", ctx->args->id);
	keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
	if (keyring < 0) {
		(void)FAIL(reterr, "keyctl");
		if (errno != ENOSYS)
			return -1;
		/* A kernel without keyrings has nothing to keep apart. */
		report_warning(ctx, reterr);
		return 0;
	}
	if (add_permissions(keyring, op->permissions) < 0)
		return FAIL(reterr, "keyctl");
	return 0;
}
