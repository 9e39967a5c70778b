/**
 * What the views of a container show beside its record, from whoever knows it. None of it waits for anything.
 *
 * Pure: types.
 */
export interface Published {
  readonly protocol: string;
  readonly containerPort: number;
  readonly hostIp: string;
  readonly hostPort: number;
}

export interface Live {
  /** Ports of the host that lead into the container now. */
  published(id: string): readonly Published[];
  execIds(id: string): readonly string[];
  /** Path of the network namespace; '' when it has none of its own. */
  sandbox(id: string): string;
}
