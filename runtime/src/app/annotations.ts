import { globRegex } from '../core/glob.ts'
import type { TaskAnnotation, TaskAnnotations, TaskAnnotator } from '../core/task-annotations.ts'
import type { TaskOptions } from './task-options.ts'

/**
 * What the setting `taskAnnotations` says of a task, to be laid over its own options: `*` first, then globs, then its name, so that the
 * more exact wins (in Celery `*` does); of several annotations the later.
 * Source: celery/app/annotations.py, resolve_all.
 */
export function annotationsFor(
  annotations: TaskAnnotations<TaskOptions> | undefined,
  name: string,
  options: TaskOptions,
): readonly TaskOptions[] {
  if (annotations === undefined) return []
  const all = isList(annotations) ? annotations : [annotations]
  return all.flatMap((one) => layersOf(one, name, options))
}

function layersOf(annotation: TaskAnnotation<TaskOptions>, name: string, options: TaskOptions): readonly TaskOptions[] {
  if (isAnnotator(annotation)) return [annotation.annotate({ name, options }) ?? {}]
  const globs = Object.keys(annotation).filter((key) => key !== name && key.includes('*') && globRegex(key).test(name))
  // The longer a glob, the more it says.
  const inOrder = globs.sort((a, b) => a.length - b.length)
  return [...inOrder, name].flatMap((key) => (Object.hasOwn(annotation, key) ? (annotation[key] ?? []) : []))
}

function isAnnotator(annotation: TaskAnnotation<TaskOptions>): annotation is TaskAnnotator<TaskOptions> {
  return 'annotate' in annotation && typeof annotation.annotate === 'function'
}

function isList(annotations: TaskAnnotations<TaskOptions>): annotations is readonly TaskAnnotation<TaskOptions>[] {
  return Array.isArray(annotations)
}
