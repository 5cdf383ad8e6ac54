export { type EphemeralWorker, startEphemeralWorker } from './app/ephemeral-worker.ts'
export { type AppPlace, findApp, projectFolder } from './run/find-app.ts'
export { loadApp, type LoadedApp, type LoadFailure, type LoadOptions } from './run/loader.ts'
export { findProject, type Project, type ProjectOptions } from './run/project-settings.ts'
