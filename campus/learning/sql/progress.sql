-- name: progress_lines :page (user_id, lesson_id) (course CourseId) -> ProgressLine
-- All learners that there ever were. Neither key changes, so nothing comes twice. Index: lesson_progress_by_learner, and for each line
-- its row by the primary key, in the order of that key.
select user_id, lesson_id, position_s, updated_at, completed_at from lesson_progress where course_id = $course
