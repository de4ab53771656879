// The whole flow by openapi-fetch with the types of openapi-typescript, under `tsc --strict`: no cast, no `any`.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Patient = components["schemas"]["Patient"];

function must<T>(result: { data?: T; error?: unknown; response: Response }): T {
  if (result.data === undefined) {
    throw new Error(`${result.response.status}: ${JSON.stringify(result.error)}`);
  }
  return result.data;
}

function equal(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
  }
}

const baseUrl = process.env.BASE ?? "";
const email = "typescript@example.com";
const open = createClient<paths>({ baseUrl });
const account = must(
  await open.POST("/api/auth/register/", { body: { name: "Ty Script", email, password: "password123" } }),
);
const tokens = must(await open.POST("/api/auth/login/", { body: { email, password: "password123" } }));
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${tokens.access}` } });
equal(must(await api.GET("/api/auth/me/")), account);

const first = must(await api.POST("/api/patients/", { body: { name: "Only Required", age: 7, gender: "unknown" } }));
equal([first.phone, first.email, first.address], ["", "", ""]);
const second = must(
  await api.POST("/api/patients/", {
    body: { name: "Everything Given", age: 30, gender: "F", phone: "9876543210", address: "street 1", email: "e@example.com" },
  }),
);
const third = must(await api.POST("/api/patients/", { body: { name: "Third Page", age: 99, gender: "Male" } }));

const paged: Patient[] = [];
let cursor: string | undefined;
do {
  const page = await api.GET("/api/patients/", { params: { query: { limit: 2, cursor } } });
  paged.push(...must(page));
  cursor = /[?&]cursor=([^&>]+)/.exec(page.response.headers.get("Link") ?? "")?.[1];
} while (cursor);
equal(paged, [first, second, third]);

const doctor = must(
  await api.POST("/api/doctors/", {
    body: { name: "Dr. Script", specialization: "Cardiologist", email: "dr.script@example.com" },
  }),
);
equal([doctor.age, doctor.gender], [null, ""]);

const path = { id: first.id };
const mapping = must(await api.POST("/api/mappings/", { body: { patient: first.id, doctor: doctor.id } }));
const assigned = must(await api.GET("/api/patients/{id}/doctors/", { params: { path } }));
equal(assigned.map((one) => [one.id, one.mapping_id]), [[doctor.id, mapping.id]]);
equal(must(await api.GET("/api/doctors/{id}/patients/", { params: { path: { id: doctor.id } } })), [first]);

const read = await api.GET("/api/patients/{id}/", { params: { path } });
const header = { "If-Match": read.response.headers.get("ETag") ?? "" };
// A response can be sent back unchanged.
const changed = must(await api.PUT("/api/patients/{id}/", { params: { path, header }, body: { ...must(read), age: 8 } }));
equal(changed.age, 8);
const stale = await api.PATCH("/api/patients/{id}/", { params: { path, header }, body: { age: 9 } });
equal([stale.response.status, typeof stale.error?.detail], [412, "string"]);
const versions = must(await api.GET("/api/patients/{id}/history/", { params: { path } }));
equal(versions.map((version) => [version.action, version.by]), [["changed", account.id], ["created", account.id]]);

must(await api.DELETE("/api/mappings/{id}/", { params: { path: { id: mapping.id } } }));
must(await api.DELETE("/api/patients/{id}/", { params: { path } }));
const renewed = must(await open.POST("/api/auth/refresh/", { body: { refresh: tokens.refresh } }));
must(await open.POST("/api/auth/logout/", { body: { refresh: renewed.refresh } }));
console.log("openapi-typescript, openapi-fetch: the whole flow passed.");
