/**
 * Why execve(2) refused a program: reads the first bytes of the file, which the executor hands over in the failure's
 * detail (a path, NUL, the head of the file), and tells a missing interpreter, a script with Windows line ends, a foreign
 * architecture and a file that is no program apart. Nothing below a rootfs is opened here.
 *
 * elf(5), execve(2). Pure.
 */
import { quote } from '../util/quote.js';

export interface Program {
  readonly path: string;
  /** Its first bytes, as many as the executor could read; empty when it could read none. */
  readonly head: Buffer;
}

/** Machine numbers of elf.h and the names uname -m gives them. */
const MACHINES: { readonly [machine: number]: string } = {
  2: 'sparc',
  3: 'i386',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  43: 'sparc64',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
  258: 'loongarch64',
};

/** What a machine runs beside its own programs, as far as the usual kernels allow it. */
const ALSO_RUNS: { readonly [arch: string]: readonly string[] } = { x86_64: ['i386'], aarch64: ['arm'] };

const ELF_MAGIC = 0x464c457f;
const PT_INTERP = 3;
const ENOENT = 2;
const ENOEXEC = 8;
const EACCES = 13;
const ETXTBSY = 26;

export function splitProgram(detail: Buffer): Program {
  const end = detail.indexOf(0);
  if (end < 0) return { path: detail.toString('utf8'), head: Buffer.alloc(0) };
  return { path: detail.toString('utf8', 0, end), head: detail.subarray(end + 1) };
}

function shebang(head: Buffer): string | undefined {
  if (head.length < 2 || head.toString('latin1', 0, 2) !== '#!') return undefined;
  const end = head.indexOf(10);
  return head.toString('utf8', 2, end < 0 ? head.length : end).replace(/^[ \t]+/, '');
}

function isElf(head: Buffer): boolean {
  return head.length >= 20 && head.readUInt32LE(0) === ELF_MAGIC;
}

function machineOf(head: Buffer): string {
  const machine = head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18);
  return MACHINES[machine] ?? `machine ${machine}`;
}

/** The dynamic loader a 64 bit little endian program names, if its header and the name lie within head. */
function loaderOf(head: Buffer): string | undefined {
  if (!isElf(head) || head.length < 64 || head[4] !== 2 || head[5] !== 1) return undefined;
  const [table, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
  for (let at = table, entry = 0; entry < count && size >= 56 && at + size <= head.length; entry++, at += size) {
    if (head.readUInt32LE(at) !== PT_INTERP) continue;
    const start = Number(head.readBigUInt64LE(at + 8));
    const end = start < head.length ? head.indexOf(0, start) : -1;
    return end < 0 ? undefined : head.toString('utf8', start, end);
  }
  return undefined;
}

/** execve said ENOENT although the file is there: what it needs is missing. */
function explainMissing(head: Buffer): string | undefined {
  const line = shebang(head);
  if (line !== undefined) {
    const interpreter = line.split(/[ \t\r]/, 1)[0] ?? '';
    if (line.endsWith('\r')) {
      return `the script has Windows line ends (CRLF), so the kernel looks for ${quote(line)}: convert it, for example with dos2unix`;
    }
    return `the script needs the interpreter ${quote(interpreter)}, which is not in the container`;
  }
  if (!isElf(head)) return undefined;
  const loader = loaderOf(head);
  const name = loader === undefined ? 'the dynamic loader it was linked for' : `its dynamic loader ${quote(loader)}`;
  return `the program is there but ${name} is not in the container (a glibc program in a musl image, or the other way round?)`;
}

/** execve said ENOEXEC: the kernel has no format for the file. */
function explainFormat(head: Buffer, arch: string): string | undefined {
  if (head.length === 0) return 'the file is empty';
  if (isElf(head)) {
    const machine = machineOf(head);
    if (machine !== arch && !(ALSO_RUNS[arch] ?? []).includes(machine)) {
      return `the program was built for ${machine}, this machine is ${arch}`;
    }
    return 'the ELF file is damaged or not an executable';
  }
  if (shebang(head) !== undefined)
    return 'the interpreter named in its first line is not a program this kernel can run';
  const text = !head.includes(0);
  return text ? 'the file is a text without a "#!" first line: add one, for example "#!/bin/sh"' : undefined;
}

const MODULE = "or a security module refuses it (SELinux's policy for this label, an AppArmor profile)";

/** The file itself was looked at before; for a script the kernel refuses its interpreter with the same errno. */
function explainDenied(head: Buffer): string {
  const interpreter = shebang(head)?.split(/[ \t\r]/, 1)[0];
  if (interpreter === undefined || interpreter === '')
    return `the file has no execute permission for this user, or lies on a mount with noexec, ${MODULE}`;
  return `the script or its interpreter ${quote(interpreter)} has no execute permission for this user, or lies on a mount with noexec, ${MODULE}`;
}

/** What the executor looked at when it refused a program with EACCES (csrc/executor/ops/program.c). */
const REFUSALS: { readonly [call: string]: string } = {
  stat: "the container's user may not pass a directory on the way to the file: it needs execute permission for each",
  ST_NOEXEC: 'the file lies on a mount with noexec: leave that option out of the mount, or put the program elsewhere',
  S_IXUSR: 'the file has no execute permission for anybody: chmod +x it in the image',
  faccessat: "the file's execute permission is not for the container's user (process.user) and its groups",
};

export const explainRefusedProgram = (call: string): string | undefined => REFUSALS[call];

/** One hint for a failed execve, or undefined when the bytes do not tell. */
export function explainProgram(program: Program, errno: number, arch: string): string | undefined {
  if (errno === ENOENT) return explainMissing(program.head);
  if (errno === ENOEXEC) return explainFormat(program.head, arch);
  if (errno === ETXTBSY) return 'the file is open for writing: whoever writes it must close it before it can run';
  if (errno === EACCES) return explainDenied(program.head);
  return undefined;
}
