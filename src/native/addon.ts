/**
 * The typed face of tsrun.node (csrc/addon): system calls that Node has no name for. Each function converts, calls and
 * throws; a failed call throws an Error with errno (positive) and syscall.
 *
 * Loaded on first use: reading a config, printing a plan's help or `tsrun --version` must not need it.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TsrunError } from '../errors.js';
import type { SeccompCompiler } from '../util/seccomp.js';

export interface ReceivedFd {
  /** null when the message carried none. */
  readonly fd: number | null;
  readonly bytes: Buffer;
}

export interface SpawnRequest {
  readonly path: string;
  /** With argv[0]. */
  readonly argv: readonly string[];
  /** "NAME=value" */
  readonly env: readonly string[];
  /** Of this process: the child has them as 0, 1, 2, … and no others. They may be closed as soon as spawn() returns. */
  readonly fds: readonly number[];
  readonly cwd: string;
  /** Soft RLIMIT_NOFILE of the child, at most the hard limit. */
  readonly openFiles?: number;
}

/** Opaque. */
export interface ZstdDecoder {
  readonly zstd: unique symbol;
}

export interface Addon {
  /** A sealed memfd holding bytes, close-on-exec, offset 0; without bytes an empty one that can be written. */
  memfd(name: string, bytes?: Uint8Array): number;
  /** Becomes another program with default signal state; only the descriptors of keep and stdio stay open. */
  execve(path: string, argv: readonly string[], envp: readonly string[], keep: readonly number[]): never;
  setCloexec(fd: number, on: boolean): void;
  /** LOCK_SH 1, LOCK_EX 2, LOCK_NB 4, LOCK_UN 8. */
  flock(fd: number, operation: number): void;
  /** AF_UNIX, both ends close-on-exec: a stream if unset. */
  socketpair(type?: 'stream' | 'seqpacket'): [number, number];
  /** Whether the other end of a stream has closed both ways: after a half close it is false. Does not wait. */
  isHungUp(fd: number): boolean;
  /** AF_UNIX, not bound yet, close-on-exec. */
  datagramSocket(): number;
  /** To a bound AF_UNIX socket: an absolute path, or "@" and an abstract name. Does not wait. */
  sendDatagram(path: string, text: string): void;
  /** Orphaned grandchildren become children of this process. */
  setSubreaper(on: boolean): void;
  /** SIGHUP, SIGINT, SIGQUIT and SIGTERM no longer end this process; caughtSignal() is the last that came, or 0. */
  catchSignals(): void;
  caughtSignal(): number;
  /**
   * Starts a program without a copy of this process's memory and without waiting for anything; resolves at its end with
   * pid, exit status and, if a signal ended it, the signal's number. Rejects with errno and syscall if it cannot start.
   */
  spawn(request: SpawnRequest): Promise<[pid: number, status: number, signal: number]>;
  sendFd(socket: number, fd: number, text: string): void;
  /** Blocks until a message is there; no bytes: the other end is closed. */
  receiveFd(socket: number): ReceivedFd;
  /** A new network namespace, bound on a file that is there. */
  createNetns(path: string): void;
  /** umount2(2), detached; a symbolic link is not followed. */
  unmount(path: string): void;
  /** Opens a path as a process of this network namespace sees it, which is what /proc/sys/net goes by; '' is our own. */
  openInNetns(netns: string, path: string, flags: number): number;
  socketInNetns(netns: string, domain: number, type: number, protocol: number): number;
  /** To an IPv4 address; returns the port. */
  bindSocket(fd: number, address: string, port: number): number;
  /** Extended acknowledgements and a time-out for a netlink socket. */
  prepareNetlink(fd: number): void;
  /** Blocks until the message that ends the answer to this sequence number is there. */
  netlinkExchange(fd: number, request: Uint8Array, sequence: number): Buffer;
  /** Loads a BPF_PROG_TYPE_CGROUP_DEVICE program; a refusal's message ends with the verifier's log. */
  bpfLoadDevice(program: Uint8Array): number;
  bpfAttachDevice(program: number, cgroup: number, flags: number): void;
  /** libzstd, undefined where it was missing at the build. The window has at most 2^windowLogMax bytes. */
  zstdDecoder?(windowLogMax: number): ZstdDecoder;
  /** Bytes used, bytes written, and 0 at the end of a frame. */
  zstdDecode?(decoder: ZstdDecoder, input: Uint8Array, output: Uint8Array): [number, number, number];
  readonly seccompCompile: SeccompCompiler;
  /** "2.5.4" */
  seccompVersion(): string;
  /** errno of seccomp(SECCOMP_SET_MODE_FILTER, flags, NULL): 14 (EFAULT) when the kernel knows all the flags. */
  seccompFlagsErrno(flags: number): number;
  /** errno of a mount_setattr on nothing: 9 (EBADF) when the kernel knows the flag, 22 (EINVAL) when not. */
  mountSetattrErrno(attrSet: number): number;
  /** errno of fsopen(2) of this type, whose module it loads: 0, 19 (ENODEV) when the kernel does not know it. */
  fsopenErrno(type: string): number;
}

/** The same from src/native/ and from the bundle, whose import.meta.url the build keeps as in the source tree. */
const ADDON_PATH = fileURLToPath(new URL('../../build/Release/tsrun.node', import.meta.url));

let loaded: Addon | undefined;

/** Throws TsrunError HOST_UNSUPPORTED when the addon was not built or does not fit this machine. */
export function addon(): Addon {
  loaded ??= load(ADDON_PATH);
  return loaded;
}

export function load(path: string): Addon {
  const holder: { exports: Partial<Addon> } = { exports: {} };
  try {
    process.dlopen(holder, path);
  } catch (cause) {
    const what = existsSync(path) ? 'cannot be loaded' : 'has not been built';
    throw new TsrunError('HOST_UNSUPPORTED', `tsrun's native addon ${what}: ${path}`, {
      cause,
      hint: 'build it with "npm run build:native" (needs gcc, g++, make, cmake, pkg-config and libseccomp-dev)',
    });
  }
  return holder.exports as Addon;
}
