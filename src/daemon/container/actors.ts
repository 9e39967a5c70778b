/** The containers of the daemon as things that live: one Container for each record. */

import { notFound } from '../http/api-error.js';
import { Container } from './container.js';
import type { Exec } from './exec.js';
import type { Needs, Records } from './needs.js';
import type { ContainerRecord } from './record.js';

/** The records, by what a client calls a container. */
export interface FindRecord extends Records {
  /** Throws ApiError 404, 400. */
  find(text: string): ContainerRecord;
  list(): readonly ContainerRecord[];
}

export class Actors {
  readonly needs: Needs;
  readonly #records: FindRecord;
  readonly #byId = new Map<string, Container>();

  constructor(needs: Needs, records: FindRecord) {
    this.needs = needs;
    this.#records = records;
    for (const record of records.list()) this.of(record);
  }

  all(): readonly Container[] {
    return [...this.#byId.values()];
  }

  of(record: ContainerRecord): Container {
    const known = this.#byId.get(record.id);
    if (known !== undefined) return known;
    const container = new Container(this.needs, record);
    container.forget = () => this.#byId.delete(record.id);
    this.#byId.set(record.id, container);
    return container;
  }

  /** By id, name or what only one id begins with. Throws ApiError 404, 400. */
  find(text: string): Container {
    return this.of(this.#records.find(text));
  }

  /** That run, or have not been started yet. */
  execIds(id: string): readonly string[] {
    const execs = [...(this.#byId.get(id)?.execs.values() ?? [])];
    return execs.filter(({ status }) => status !== 'ended').map((exec) => exec.id);
  }

  /** Throws ApiError 404. */
  findExec(id: string): Exec {
    for (const container of this.#byId.values()) {
      const exec = container.execs.get(id);
      if (exec !== undefined) return exec;
    }
    throw notFound(`No such exec instance: ${id.slice(0, 64)}`);
  }
}
