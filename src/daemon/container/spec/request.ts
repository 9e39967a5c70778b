/** What config.json is made of, beside the record: everything that was looked up for this start. Pure: types only. */
import type { Account } from '../../../bundle/users.js';
import type { Mount } from '../../../spec/types.gen.js';
import type { ContainerRecord } from '../record.js';

export interface SpecRequest {
  readonly record: Pick<ContainerRecord, 'id' | 'config' | 'hostConfig'>;
  /** additionalGids with those of GroupAdd. */
  readonly account: Account;
  /** With the host's UTS namespace the host's. */
  readonly hostname: string;
  /** Volumes, binds and tmpfs, in any order; sources are there. */
  readonly mounts: readonly ResolvedMount[];
  /** hosts, hostname and resolv.conf. */
  readonly networkFiles: readonly Mount[];
  /** Variables about linked containers. */
  readonly linked: readonly string[];
  /** Paths of namespaces to join; undefined: a new one, 'host': none. */
  readonly namespaces: JoinedNamespaces;
  /** With IpcMode shareable or container: the tmpfs on the host that is everybody's /dev/shm. */
  readonly shmPath: string | undefined;
  /** Of Devices, and of /dev for a privileged container. */
  readonly devices: readonly HostDevice[];
  /** Of BlkioWeightDevice and BlkioDevice…, by path. */
  readonly blockDevices: { readonly [path: string]: DeviceNumber };
  /** undefined: none. */
  readonly cgroupsPath: string | undefined;
  /** tini on the host, where Init asks for it. */
  readonly initPath: string | undefined;
  /** A profile that is loaded; undefined: none. */
  readonly apparmor: string | undefined;
  readonly host: SpecHost;
}

export interface JoinedNamespaces {
  readonly network: string | 'host' | undefined;
  readonly ipc: string | 'host' | undefined;
  readonly pid: string | 'host' | undefined;
}

export interface SpecHost {
  /** node's process.arch */
  readonly arch: string;
  readonly apparmor: boolean;
  readonly selinux: boolean;
  /** What a privileged container gets: all that the kernel knows and the daemon holds. */
  readonly capabilities: readonly string[];
  readonly cgroupNamespaces: boolean;
  /** JSON of the daemon's own profile, 'unconfined', or undefined for the built-in one. */
  readonly seccompProfile: string | undefined;
  readonly noNewPrivileges: boolean;
}

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

export interface HostDevice extends DeviceNumber {
  readonly type: 'b' | 'c';
  /** In the container. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of r, w and m. */
  readonly access: string;
}

/** A mount point that can be mounted now. */
export interface ResolvedMount {
  readonly destination: string;
  readonly type: 'bind' | 'tmpfs';
  /** Of a bind. */
  readonly source: string;
  readonly readOnly: boolean;
  /** Of a bind; '' is rprivate. */
  readonly propagation: string;
  readonly nonRecursive: boolean;
  /** A read-only bind whose mounts below stay as they are. */
  readonly readOnlyNonRecursive: boolean;
  /** Of a tmpfs. */
  readonly options: readonly string[];
}
