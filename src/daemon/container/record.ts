/**
 * A container as the daemon keeps it: one value, in memory and in the database, JSON through and through. It is written
 * before the first effect on the host.
 *
 * Pure: types and the zero values.
 */
import type { Digest } from '../../util/digest.js';
import type { ContainerConfig, EndpointConfig, HostConfig, MountPropagation, MountType } from '../api/types.gen.js';

export interface ContainerRecord {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** Without the slash that the API shows. */
  name: string;
  /** RFC 3339 with nanoseconds, as all times. */
  readonly created: string;
  readonly image: ImageOfContainer;
  /** The API's Config, with what the image adds. */
  readonly config: ContainerConfig;
  /** With the defaults filled in. */
  hostConfig: HostConfig;
  /** By network: what the client asks for. */
  networks: { readonly [name: string]: EndpointConfig };
  /** By network: what the container has while it is connected. */
  endpoints: { readonly [name: string]: EndpointSettings };
  /** Sources and volumes decided at create. */
  readonly mounts: readonly MountPoint[];
  state: ContainerState;
  restartCount: number;
  /** By a client, not by itself: the restart policy unless-stopped looks at it. */
  stoppedByUser: boolean;
  /** How often it was started. */
  starts: number;
  /** While its limits change: what is to be applied, which hostConfig has already. */
  updating?: HostConfig;
  /** While an image is made of it: it was not its client who paused it. */
  pausedForImage?: boolean;
  /** While it is removed: so are the volumes without a name that no other container has. */
  volumesGo?: boolean;
}

export interface ImageOfContainer {
  /** As the client wrote it. */
  readonly reference: string;
  /** Digest of the config: the image's id. */
  readonly id: Digest;
  readonly manifest: Digest;
}

export interface ContainerState {
  readonly status: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  /** 0 unless it runs. */
  readonly pid: number;
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly health?: Health;
}

export interface Health {
  readonly status: 'none' | 'starting' | 'healthy' | 'unhealthy';
  readonly failingStreak: number;
  readonly log: readonly HealthResult[];
}

export interface HealthResult {
  readonly start: string;
  readonly end: string;
  readonly exitCode: number;
  readonly output: string;
}

/** Of a connected endpoint; the names are those of the API. */
export interface EndpointSettings extends EndpointConfig {
  readonly NetworkID: string;
  readonly EndpointID: string;
}

/** One of the API's Mounts. */
export interface MountPoint {
  readonly Type: MountType;
  /** Of a volume. */
  readonly Name?: string;
  /** On the host; of a tmpfs ''. */
  readonly Source: string;
  readonly Destination: string;
  /** Of a volume. */
  readonly Driver?: string;
  /** As in -v, such as "z" or "ro". */
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: MountPropagation;
  /** What made it, as far as start needs to know: not shown by the API. */
  readonly spec: MountOrigin;
}

/** tmpfs of --tmpfs have no MountPoint in the API's list, and stand in HostConfig.Tmpfs alone. */
export interface MountOrigin {
  /** Make the directory on the host if it is not there: -v, and CreateMountpoint. */
  readonly createSource?: boolean;
  readonly noCopy?: boolean;
  readonly subpath?: string;
  /** Bind without the mounts below. */
  readonly nonRecursive?: boolean;
  readonly readOnlyNonRecursive?: boolean;
  readonly readOnlyForceRecursive?: boolean;
  /** A volume without a name of its own, which goes with the container. */
  readonly anonymous?: boolean;
  /** Of a volume that is made with the container. */
  readonly driverOptions?: { readonly [name: string]: string };
  readonly labels?: { readonly [name: string]: string };
  /** Options of a tmpfs mount: `size=…`, `mode=…`. */
  readonly tmpfs?: readonly string[];
}

/** The API's zero time. */
export const NEVER = '0001-01-01T00:00:00Z';

export const CREATED: ContainerState = {
  status: 'created',
  pid: 0,
  exitCode: 0,
  error: '',
  oomKilled: false,
  startedAt: NEVER,
  finishedAt: NEVER,
};
