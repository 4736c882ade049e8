create index lesson_progress_by_learner on lesson_progress (course_id, user_id, lesson_id);
