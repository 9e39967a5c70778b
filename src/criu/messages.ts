/**
 * The messages of `criu swrk`: protocol buffers over a SEQPACKET socket, one per packet. Field numbers are those of
 * CRIU's images/rpc.proto, which only ever grows; what an older CRIU does not know it skips.
 *
 * Pure.
 */
import { PbfReader, PbfWriter } from 'pbf';

export const REQUEST = { DUMP: 1, RESTORE: 2, PRE_DUMP: 4, NOTIFY: 6, FEATURE_CHECK: 9, VERSION: 10 } as const;

/** enum criu_cg_mode: which cgroups CRIU makes and writes by itself. */
export const CGROUP_MODE = { ignore: 0, soft: 3, full: 4, strict: 5 } as const;
export type CgroupMode = keyof typeof CGROUP_MODE;

/** CLONE_NEWNET, for emptyNamespaces. */
export const EMPTY_NETWORK = 0x4000_0000;

interface Pair {
  readonly key: string;
  readonly value: string;
}

/** Options by their meaning; the table below has their numbers. Descriptors are this process's. */
export interface CriuOptions {
  readonly imagesDirectory: number;
  readonly workDirectory?: number;
  readonly pid?: number;
  readonly leaveRunning?: boolean;
  readonly externalUnixSockets?: boolean;
  readonly tcpEstablished?: boolean;
  readonly tcpSkipInFlight?: boolean;
  readonly evasiveDevices?: boolean;
  readonly shellJob?: boolean;
  readonly fileLocks?: boolean;
  readonly logLevel?: number;
  readonly logFile?: string;
  readonly pageServer?: { readonly address: string; readonly port: number };
  readonly notifyScripts?: boolean;
  readonly root?: string;
  readonly parentImages?: string;
  readonly trackMemory?: boolean;
  readonly autoDedup?: boolean;
  readonly linkRemap?: boolean;
  /** Mounts that come from outside: mount point in the container, and on restore the host's path. */
  readonly externalMounts?: readonly Pair[];
  readonly manageCgroups?: boolean;
  readonly cgroupMode?: number;
  readonly cgroupRoots?: readonly { readonly controller: string; readonly path: string }[];
  readonly restoreSibling?: boolean;
  /** What the image calls the file, and the descriptor of CRIU that takes its place. */
  readonly inheritFds?: readonly { readonly key: string; readonly fd: number }[];
  readonly external?: readonly string[];
  readonly emptyNamespaces?: number;
  readonly freezeCgroup?: string;
  readonly lazyPages?: boolean;
  readonly statusFd?: number;
  readonly orphanPtsMaster?: boolean;
  readonly configFile?: string;
  readonly lsmProfile?: string;
  readonly lsmMountContext?: string;
}

type Writer = (pbf: PbfWriter, tag: number, value: never) => void;

const flag = (pbf: PbfWriter, tag: number, value: boolean) => pbf.writeBooleanField(tag, value);
const number = (pbf: PbfWriter, tag: number, value: number) => pbf.writeVarintField(tag, value);
const text = (pbf: PbfWriter, tag: number, value: string) => pbf.writeStringField(tag, value);
const each = <T>(write: (pbf: PbfWriter, tag: number, value: T) => void) => {
  return (pbf: PbfWriter, tag: number, values: readonly T[]) => {
    for (const value of values) write(pbf, tag, value);
  };
};
const message = <T>(fields: (pbf: PbfWriter, value: T) => void) => {
  return (pbf: PbfWriter, tag: number, value: T) =>
    pbf.writeMessage(tag, (inner: T, writer?: PbfWriter) => writer && fields(writer, inner), value);
};

const pair = message<Pair>((pbf, { key, value }) => {
  text(pbf, 1, key);
  text(pbf, 2, value);
});
const cgroupRoot = message<{ readonly controller: string; readonly path: string }>((pbf, { controller, path }) => {
  text(pbf, 1, controller);
  text(pbf, 2, path);
});
const inheritFd = message<{ readonly key: string; readonly fd: number }>((pbf, { key, fd }) => {
  text(pbf, 1, key);
  number(pbf, 2, fd);
});
const pageServer = message<{ readonly address: string; readonly port: number }>((pbf, { address, port }) => {
  text(pbf, 1, address);
  number(pbf, 2, port);
});

const OPTIONS: { readonly [name in keyof CriuOptions]-?: readonly [tag: number, write: Writer] } = {
  imagesDirectory: [1, number],
  pid: [2, number],
  leaveRunning: [3, flag],
  externalUnixSockets: [4, flag],
  tcpEstablished: [5, flag],
  evasiveDevices: [6, flag],
  shellJob: [7, flag],
  fileLocks: [8, flag],
  logLevel: [9, number],
  logFile: [10, text],
  pageServer: [11, pageServer],
  notifyScripts: [12, flag],
  root: [13, text],
  parentImages: [14, text],
  trackMemory: [15, flag],
  autoDedup: [16, flag],
  workDirectory: [17, number],
  linkRemap: [18, flag],
  externalMounts: [23, each(pair)],
  manageCgroups: [24, flag],
  cgroupRoots: [25, each(cgroupRoot)],
  restoreSibling: [26, flag],
  inheritFds: [27, each(inheritFd)],
  cgroupMode: [34, number],
  external: [37, each(text)],
  emptyNamespaces: [38, number],
  freezeCgroup: [44, text],
  tcpSkipInFlight: [46, flag],
  lazyPages: [48, flag],
  statusFd: [49, number],
  orphanPtsMaster: [50, flag],
  configFile: [51, text],
  lsmProfile: [53, text],
  lsmMountContext: [63, text],
};

function writeOptions(pbf: PbfWriter, options: CriuOptions): void {
  for (const [name, [tag, write]] of Object.entries(OPTIONS)) {
    const value = options[name as keyof CriuOptions];
    if (value !== undefined) write(pbf, tag, value as never);
  }
}

/** What CRIU can do on this kernel. */
export interface CriuFeatures {
  readonly memoryTracking: boolean;
  readonly lazyPages: boolean;
}

export type Request =
  | { readonly type: typeof REQUEST.DUMP | typeof REQUEST.PRE_DUMP | typeof REQUEST.RESTORE; options: CriuOptions }
  | { readonly type: typeof REQUEST.NOTIFY; readonly success: boolean }
  | { readonly type: typeof REQUEST.FEATURE_CHECK };

export function encodeRequest(request: Request): Uint8Array {
  const pbf = new PbfWriter();
  number(pbf, 1, request.type);
  if ('options' in request) message(writeOptions)(pbf, 2, request.options);
  if (request.type === REQUEST.NOTIFY) flag(pbf, 3, request.success);
  if (request.type === REQUEST.FEATURE_CHECK) {
    const asked = message<null>((inner) => {
      flag(inner, 1, true);
      flag(inner, 2, true);
    });
    asked(pbf, 5, null);
  }
  return pbf.finish();
}

export interface Response {
  readonly type: number;
  readonly success: boolean;
  /** Root task of a restore. */
  readonly pid?: number;
  readonly notify?: { readonly script: string; readonly pid: number };
  readonly errno?: number;
  readonly error?: string;
  readonly features?: CriuFeatures;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readNotify(pbf: PbfReader): NonNullable<Response['notify']> {
  const read = (tag: number, notify: { script: string; pid: number }, inner: PbfReader) => {
    if (tag === 1) notify.script = inner.readString();
    else if (tag === 2) notify.pid = inner.readVarint(true);
  };
  return pbf.readMessage(read, { script: '', pid: 0 });
}

function readRestored(pbf: PbfReader): number {
  const read = (tag: number, restored: { pid: number }, inner: PbfReader) => {
    if (tag === 1) restored.pid = inner.readVarint(true);
  };
  return pbf.readMessage(read, { pid: 0 }).pid;
}

function readFeatures(pbf: PbfReader): CriuFeatures {
  const read = (tag: number, features: Mutable<CriuFeatures>, inner: PbfReader) => {
    if (tag === 1) features.memoryTracking = inner.readBoolean();
    else if (tag === 2) features.lazyPages = inner.readBoolean();
  };
  return pbf.readMessage(read, { memoryTracking: false, lazyPages: false });
}

const FIELDS: { readonly [tag: number]: (response: Mutable<Response>, pbf: PbfReader) => void } = {
  1: (response, pbf) => {
    response.type = pbf.readVarint();
  },
  2: (response, pbf) => {
    response.success = pbf.readBoolean();
  },
  4: (response, pbf) => {
    response.pid = readRestored(pbf);
  },
  5: (response, pbf) => {
    response.notify = readNotify(pbf);
  },
  7: (response, pbf) => {
    response.errno = pbf.readVarint(true);
  },
  8: (response, pbf) => {
    response.features = readFeatures(pbf);
  },
  9: (response, pbf) => {
    response.error = pbf.readString();
  },
};

export function decodeResponse(bytes: Uint8Array): Response {
  const read = (tag: number, response: Mutable<Response>, pbf: PbfReader) => FIELDS[tag]?.(response, pbf);
  return new PbfReader(bytes).readFields(read, { type: 0, success: false });
}
