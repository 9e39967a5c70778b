// Generates what the spec layer needs from the JSON Schemas of the OCI documents (schemas/*.json but plan.json):
//   src/spec/types.gen.ts       interfaces; 64-bit integers are bigint
//   src/spec/values.gen.ts      the allowed values of every enumeration, and what each object's properties are
//   src/spec/validators.gen.js  ajv's standalone validators, no import at run time
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadSchemas } from './spec/schemas.mjs';
import { types } from './spec/types.mjs';
import { validators } from './spec/validators.mjs';
import { values } from './spec/values.mjs';

const out = new URL('../src/spec/', import.meta.url);
mkdirSync(out, { recursive: true });
const schemas = loadSchemas();
writeFileSync(new URL('types.gen.ts', out), types(schemas));
writeFileSync(new URL('values.gen.ts', out), values(schemas));
for (const [file, text] of Object.entries(validators(schemas))) writeFileSync(new URL(file, out), text);
