// Generates what reads documents from their JSON Schemas:
//   types.gen.ts       interfaces; of the OCI documents 64-bit integers are bigint, of the API's bodies safe numbers
//   values.gen.ts      of the OCI documents: the values of every enumeration, and what each object's properties are
//   shapes.gen.ts      of the API's bodies: what each object's properties are
//   validators.gen.js  ajv's standalone validators, no import at run time
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadSchemas } from './spec/schemas.mjs';
import { shapes } from './spec/shapes.mjs';
import { types } from './spec/types.mjs';
import { validators } from './spec/validators.mjs';
import { values } from './spec/values.mjs';

const OCI = {
  directory: 'schemas',
  files: ['config', 'process', 'linux', 'resources', 'seccomp', 'defs', 'state', 'features'],
  wide: 'bigint',
};
const API = {
  directory: 'schemas/api',
  files: ['config', 'host-config', 'network', 'exec', 'volume', 'auth', 'container', 'defs'],
  wide: 'number',
};
const BODIES = {
  ContainerCreate: 'container.json',
  ContainerUpdate: 'container.json',
  ContainerConfig: 'config.json',
  ExecCreate: 'exec.json',
  ExecStart: 'exec.json',
  NetworkCreate: 'network.json',
  NetworkConnect: 'network.json',
  NetworkDisconnect: 'network.json',
  VolumeCreate: 'volume.json',
  AuthConfig: 'auth.json',
};

function write(directory, files) {
  const out = new URL(`../${directory}/`, import.meta.url);
  mkdirSync(out, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(new URL(file, out), text);
}

const oci = loadSchemas(OCI);
write('src/spec', {
  'types.gen.ts': types(oci),
  'values.gen.ts': values(oci, 'Config'),
  ...validators(oci, { Config: 'config.json', Process: 'process.json', LinuxResources: 'resources.json' }),
});

const api = loadSchemas(API);
const roots = Object.entries(BODIES).map(([name, file]) => [name, `${file}#/definitions/${name}`]);
write('src/daemon/api', {
  'types.gen.ts': types(api),
  'shapes.gen.ts': shapes(api),
  ...validators(api, Object.fromEntries(roots)),
});
