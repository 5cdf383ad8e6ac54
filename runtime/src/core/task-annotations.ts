/** Options for the tasks of a name or glob, or an object that is asked for each task; `O` are the options of a task. */
export type TaskAnnotation<O = object> = TaskAnnotationMap<O> | TaskAnnotator<O>

/** By name, glob (`mail.*`) or `*` for all. */
export type TaskAnnotationMap<O = object> = Readonly<Record<string, O>>

export interface TaskAnnotator<O = object> {
  /** `options` are those that the task has by itself; undefined adds nothing. */
  annotate(task: { readonly name: string; readonly options: O }): O | null | undefined
}

/** The setting `taskAnnotations`. */
export type TaskAnnotations<O = object> = TaskAnnotation<O> | readonly TaskAnnotation<O>[]
