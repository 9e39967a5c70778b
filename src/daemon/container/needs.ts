/**
 * What the running container needs of the rest of the daemon. Pure: types.
 */
import type { Account } from '../../bundle/users.js';
import type { Runtime } from '../../runtime/runtime.js';
import type { Config } from '../../spec/types.gen.js';
import type { ContainerRecord } from './record.js';

/** Where the records of containers are kept. Both have reached the disk when they resolve. */
export interface Records {
  save(record: ContainerRecord): Promise<void>;
  /** anyway: it is forgotten even if the disk does not take it, and finished by the next daemon. */
  remove(record: ContainerRecord, anyway?: boolean): Promise<void>;
}

export interface Happened {
  /** As events have it: "start", "die", "exec_create: sh", … */
  readonly action: string;
  readonly record: ContainerRecord;
  readonly attributes?: { readonly [name: string]: string };
}

/** What a start makes outside of the runtime, all of which release() undoes, also after the daemon was killed within. */
export interface Surroundings {
  /** The root file system mounted, the network up, volumes there; and the container's config.json. */
  prepare(record: ContainerRecord): Promise<Prepared>;
  /** Called when the program has ended, and for what a killed daemon may have left. Nothing to undo is no error. */
  release(record: ContainerRecord): Promise<void>;
  /** Who a user is in the container: of an exec. Throws ApiError 400 for one that it does not have. */
  account(record: ContainerRecord, user: string): Promise<Account>;
  /** The container itself goes: its snapshot, its directory; volumes: also those without a name. */
  discard(record: ContainerRecord, volumes: boolean): Promise<void>;
}

export interface Prepared {
  /** Absolute; becomes the bundle's config.json. */
  readonly bundle: string;
  readonly config: Config;
}

export interface Needs {
  readonly runtime: Runtime;
  /** systemd makes the containers' cgroups. */
  readonly systemdCgroup: boolean;
  /** <exec root>/monitor */
  readonly monitors: string;
  /** <data root>/containers */
  readonly directory: string;
  readonly records: Records;
  readonly surroundings: Surroundings;
  /** Called before the container's directory goes. */
  releaseLog(id: string): Promise<void>;
  happened(event: Happened): void;
  /** Something went wrong that nobody asked for. */
  warn(message: string): void;
}
