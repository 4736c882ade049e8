create index lesson_progress_of_course on lesson_progress (course_id, updated_at, user_id, lesson_id, completed_at);
create index quiz_attempts_of_course on quiz_attempts (course_id, attempted_at, user_id);
create index completions_of_course on completions (course_id);
create index grades_of_course on grades (course_id, grade);
