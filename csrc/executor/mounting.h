/*
 * What the mount ops share: mounts are made detached, configured by descriptor, and attached to a
 * descriptor of their target (open_tree(2), move_mount(2), mount_setattr(2)). No path of the container
 * is ever given to mount(2).
 */
#ifndef TSRUN_MOUNTING_H
#define TSRUN_MOUNTING_H

#include <stdint.h>
#include <sys/stat.h>

#include "context.h"

#define OVERFLOW_ID 65534 /* how an id that is not mapped looks: user_namespaces(7) */

/* The kernel's id of the mount fd is on. 0, or -1 with errno. */
int mount_id(int fd, uint64_t *ret_id);

/* Does fd refer to the root of a mount? 1, 0, or -1 with errno. */
int mount_is_root(int fd);

/* A detached clone of the tree at fd or of the host path; flags: 0 or AT_RECURSIVE. fd, or -1 with errno. */
int mount_clone(int fd, unsigned int flags);
int mount_clone_path(const char *path, unsigned int flags);

/*
 * mount_setattr on the mount fd is the root of. attr_set and attr_clr are MOUNT_ATTR_*; propagation is
 * 0 or one of MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; MS_REC in it, or recursive, takes in
 * the mounts below. Attributes that are not named stay as they are, those a user namespace locks too.
 */
int mount_set_attr(int fd, uint64_t attr_set, uint64_t attr_clr, bool recursive, struct failure *reterr);
int mount_set_propagation(int fd, uint64_t propagation, bool recursive, struct failure *reterr);

/*
 * Only a dest below /proc by its own name, which spec/ has judged, may be on the container's procfs. A symlink
 * that leads there, of the image or swapped in, would hide or replace parts of it (CVE-2019-19921, CVE-2025-52881).
 */
int mount_refuse_procfs(const struct context *ctx, int target_fd, const char *dest, struct failure *reterr);

/*
 * Attaches the mount to target_fd, a descriptor got inside the root, then looks dest up again: if
 * that is not this mount, dest was changed meanwhile and the mount is moved there (CVE-2021-30465).
 * EXDEV when dest keeps changing, NOT_REAL_DIRECTORY when it leads onto the container's /proc under another name.
 */
int mount_attach(const struct context *ctx, int mount_fd, int target_fd, const char *dest, struct failure *reterr);

/*
 * Makes sure that ctx->rootfs_fd is held. A plan of exec has no OPEN_ROOTFS: what its process joined has the
 * container's root for "/". Never to be called on the host's root.
 */
int need_rootfs(struct context *ctx, struct failure *reterr);

/* Hands the descriptor in a slot over, or -1 with *reterr written. */
int take_slot(struct context *ctx, uint32_t slot, struct failure *reterr);

/* Live mounts (ops/live.c): notes one that was attached and tells the other side; detaches all that were noted. */
int live_note(struct context *ctx, int mount_fd, struct failure *reterr);
void live_undo(struct context *ctx);

#endif
