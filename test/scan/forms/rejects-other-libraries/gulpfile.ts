import gulp from 'gulp'

gulp.task('build', () => 0)
gulp.task('build', () => 1)
