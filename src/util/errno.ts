/**
 * errno numbers to names and to the texts of glibc's strerror(3), lower case as Go's runtimes print them: engines look
 * for "no such file or directory" and "permission denied" in our messages (docs/errors.md).
 *
 * Numbers are those of the generic Linux ABI (x86, arm64, riscv64, s390x, loongarch64). Pure.
 */
const TABLE: { readonly [errno: number]: readonly [name: string, text: string] } = {
  1: ['EPERM', 'operation not permitted'],
  2: ['ENOENT', 'no such file or directory'],
  3: ['ESRCH', 'no such process'],
  4: ['EINTR', 'interrupted system call'],
  5: ['EIO', 'input/output error'],
  6: ['ENXIO', 'no such device or address'],
  7: ['E2BIG', 'argument list too long'],
  8: ['ENOEXEC', 'exec format error'],
  9: ['EBADF', 'bad file descriptor'],
  10: ['ECHILD', 'no child processes'],
  11: ['EAGAIN', 'resource temporarily unavailable'],
  12: ['ENOMEM', 'cannot allocate memory'],
  13: ['EACCES', 'permission denied'],
  14: ['EFAULT', 'bad address'],
  15: ['ENOTBLK', 'block device required'],
  16: ['EBUSY', 'device or resource busy'],
  17: ['EEXIST', 'file exists'],
  18: ['EXDEV', 'invalid cross-device link'],
  19: ['ENODEV', 'no such device'],
  20: ['ENOTDIR', 'not a directory'],
  21: ['EISDIR', 'is a directory'],
  22: ['EINVAL', 'invalid argument'],
  23: ['ENFILE', 'too many open files in system'],
  24: ['EMFILE', 'too many open files'],
  25: ['ENOTTY', 'inappropriate ioctl for device'],
  26: ['ETXTBSY', 'text file busy'],
  27: ['EFBIG', 'file too large'],
  28: ['ENOSPC', 'no space left on device'],
  29: ['ESPIPE', 'illegal seek'],
  30: ['EROFS', 'read-only file system'],
  31: ['EMLINK', 'too many links'],
  32: ['EPIPE', 'broken pipe'],
  33: ['EDOM', 'numerical argument out of domain'],
  34: ['ERANGE', 'numerical result out of range'],
  35: ['EDEADLK', 'resource deadlock avoided'],
  36: ['ENAMETOOLONG', 'file name too long'],
  37: ['ENOLCK', 'no locks available'],
  38: ['ENOSYS', 'function not implemented'],
  39: ['ENOTEMPTY', 'directory not empty'],
  40: ['ELOOP', 'too many levels of symbolic links'],
  52: ['EBADE', 'invalid exchange'],
  61: ['ENODATA', 'no data available'],
  62: ['ETIME', 'timer expired'],
  65: ['ENOPKG', 'package not installed'],
  71: ['EPROTO', 'protocol error'],
  74: ['EBADMSG', 'bad message'],
  75: ['EOVERFLOW', 'value too large for defined data type'],
  80: ['ELIBBAD', 'accessing a corrupted shared library'],
  83: ['ELIBEXEC', 'cannot exec a shared library directly'],
  84: ['EILSEQ', 'invalid or incomplete multibyte or wide character'],
  87: ['EUSERS', 'too many users'],
  88: ['ENOTSOCK', 'socket operation on non-socket'],
  90: ['EMSGSIZE', 'message too long'],
  91: ['EPROTOTYPE', 'protocol wrong type for socket'],
  93: ['EPROTONOSUPPORT', 'protocol not supported'],
  95: ['EOPNOTSUPP', 'operation not supported'],
  97: ['EAFNOSUPPORT', 'address family not supported by protocol'],
  98: ['EADDRINUSE', 'address already in use'],
  99: ['EADDRNOTAVAIL', 'cannot assign requested address'],
  100: ['ENETDOWN', 'network is down'],
  101: ['ENETUNREACH', 'network is unreachable'],
  103: ['ECONNABORTED', 'software caused connection abort'],
  104: ['ECONNRESET', 'connection reset by peer'],
  105: ['ENOBUFS', 'no buffer space available'],
  107: ['ENOTCONN', 'transport endpoint is not connected'],
  110: ['ETIMEDOUT', 'connection timed out'],
  111: ['ECONNREFUSED', 'connection refused'],
  114: ['EALREADY', 'operation already in progress'],
  115: ['EINPROGRESS', 'operation now in progress'],
  116: ['ESTALE', 'stale file handle'],
  117: ['EUCLEAN', 'structure needs cleaning'],
  122: ['EDQUOT', 'disk quota exceeded'],
  123: ['ENOMEDIUM', 'no medium found'],
  125: ['ECANCELED', 'operation canceled'],
  126: ['ENOKEY', 'required key not available'],
  127: ['EKEYEXPIRED', 'key has expired'],
  128: ['EKEYREVOKED', 'key has been revoked'],
  129: ['EKEYREJECTED', 'key was rejected by service'],
  132: ['ERFKILL', 'operation not possible due to RF-kill'],
  133: ['EHWPOISON', 'memory page has hardware error'],
};

const BY_NAME: ReadonlyMap<string, number> = new Map(
  Object.entries(TABLE).map(([errno, [name]]) => [name, Number(errno)]),
);

/** "EPERM"; "errno 4095" for one that is not in the table. */
export function errnoName(errno: number): string {
  return TABLE[errno]?.[0] ?? `errno ${errno}`;
}

/** "operation not permitted" */
export function errnoText(errno: number): string {
  return TABLE[errno]?.[1] ?? 'unknown error';
}

/** "EPERM (operation not permitted)" */
export function describeErrno(errno: number): string {
  return `${errnoName(errno)} (${errnoText(errno)})`;
}

/** The number of a name as in Node's error.code, or undefined. */
export function errnoOf(name: string | undefined): number | undefined {
  return name === undefined ? undefined : BY_NAME.get(name);
}

/** What an error of node:fs says, in the words above: "ENOENT (no such file or directory)". */
export function describeSystemError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const errno = errnoOf(code);
  if (errno !== undefined) return describeErrno(errno);
  return code ?? (error instanceof Error ? error.message : String(error));
}
