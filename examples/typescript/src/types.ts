// What the types must refuse: `tsc` fails where one of these lines is no error any more. Nothing here runs.

import type { UploadRequest } from "./client.js";
import type { components, paths } from "./photodrop.js";

// @ts-expect-error: a size is a number
export const size: UploadRequest = { content_type: "image/jpeg", size_bytes: "1" };
// @ts-expect-error: not one of the types that any stack takes
export const avif: UploadRequest = { content_type: "image/avif", size_bytes: 1 };
// @ts-expect-error: misspelt
export const spelling: UploadRequest = { content_type: "image/png", size_byte: 1 };
// @ts-expect-error: no such operation
export const operation: components["schemas"]["SignRequest"] = { operation: "PutObject" };
// @ts-expect-error: no such path
export type Path = paths["/api/v4/photos"];
