BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE autotune_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT autotune_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "autotune_alembic_version" VALUES('0002');
CREATE TABLE autotune_check (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	purpose VARCHAR(16) NOT NULL, 
	round INTEGER NOT NULL, 
	digest VARCHAR(12) NOT NULL, 
	changed JSON NOT NULL, 
	finished_at DATETIME NOT NULL, 
	seconds FLOAT NOT NULL, 
	outcome_kind VARCHAR(32) NOT NULL, 
	outcome JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study_id) REFERENCES autotune_study (id) ON DELETE CASCADE
);
INSERT INTO "autotune_check" VALUES(1,1,'floor',0,'3931de8e3a51','{}','2026-11-21 18:24:42.954134',1.52566997712710872292e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(2,1,'floor',1,'b03fe7e3a1bb','{"channels_last": true}','2026-11-21 18:24:42.956008',1.65746998391114175319e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.8847080717802047, 1.8865927798519848, 1.8884774879237651, 1.8903621959955452, 1.8922469040673255], "warmup_s": [5.654124215340614], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 5.654124215340614}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024], "decode_s": 0.1, "total_s": 1.8847080717802047}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(3,1,'floor',2,'4209c0e112fe','{"fuse_qkv": true}','2026-11-21 18:24:42.957076',1.60208997840527445077e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.9490915506601332, 1.951040642210793, 1.9529897337614535, 1.9549388253121134, 1.9568879168627737], "warmup_s": [5.847274651980399], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 5.847274651980399}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665, 0.09745457753300665], "decode_s": 0.1, "total_s": 1.9490915506601332}, "memory": {"peak_bytes": 1333788672, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(4,1,'baseline',0,'3931de8e3a51','{}','2026-11-21 18:24:43.107531',2.05696000193711370229e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(5,1,'baseline',1,'3931de8e3a51','{}','2026-11-21 18:24:43.236752',2.56933002674486488103e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(6,1,'confirm',0,'3931de8e3a51','{}','2026-11-21 18:24:43.238325',1.80508999619632959365e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(7,1,'confirm',0,'8c3f83dacc07','{"dtype": "bfloat16"}','2026-11-21 18:24:43.239289',1.60728999617276713252e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.1146007466316226, 1.115715347378254, 1.1168299481248858, 1.1179445488715174, 1.119059149618149], "warmup_s": [3.3438022398948677], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.3438022398948677}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113], "decode_s": 0.1, "total_s": 1.1146007466316226}, "memory": {"peak_bytes": 692060160, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.97], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(8,1,'confirm',0,'801798e2730b','{"channels_last": true, "compile": "full", "quantization": "int8_dynamic"}','2026-11-21 18:24:43.240198',1.53640001371968537569e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.1110617851639988, 1.1121728469491627, 1.1132839087343267, 1.1143949705194907, 1.1155060323046548], "warmup_s": [3.333185355491996], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.333185355491996}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994], "decode_s": 0.1, "total_s": 1.1110617851639988}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.94], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(9,1,'confirm',1,'801798e2730b','{"channels_last": true, "compile": "full", "quantization": "int8_dynamic"}','2026-11-21 18:24:43.241123',1.5616300152032636106e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.1110617851639988, 1.1121728469491627, 1.1132839087343267, 1.1143949705194907, 1.1155060323046548], "warmup_s": [3.333185355491996], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.333185355491996}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994], "decode_s": 0.1, "total_s": 1.1110617851639988}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.94], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(10,1,'confirm',1,'8c3f83dacc07','{"dtype": "bfloat16"}','2026-11-21 18:24:43.242016',1.90664002730045467615e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.1146007466316226, 1.115715347378254, 1.1168299481248858, 1.1179445488715174, 1.119059149618149], "warmup_s": [3.3438022398948677], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.3438022398948677}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113], "decode_s": 0.1, "total_s": 1.1146007466316226}, "memory": {"peak_bytes": 692060160, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.97], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(11,1,'confirm',1,'3931de8e3a51','{}','2026-11-21 18:24:43.242880',1.47979997564107179641e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(12,1,'confirm',2,'9092400d5e5f','{"channels_last": true, "compile": "regional"}','2026-11-21 18:24:43.244283',1.52707998495316132903e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.4910565114974976, 1.492547568008995, 1.4940386245204926, 1.49552968103199, 1.4970207375434876], "warmup_s": [4.473169534492493], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 4.473169534492493}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489], "decode_s": 0.1, "total_s": 1.4910565114974976}, "memory": {"peak_bytes": 1384120320, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(13,1,'confirm',2,'3931de8e3a51','{}','2026-11-21 18:24:43.245299',1.50956002471502870321e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(14,1,'confirm',3,'9092400d5e5f','{"channels_last": true, "compile": "regional"}','2026-11-21 18:24:43.246147',0.000144015000842046,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.4910565114974976, 1.492547568008995, 1.4940386245204926, 1.49552968103199, 1.4970207375434876], "warmup_s": [4.473169534492493], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 4.473169534492493}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489], "decode_s": 0.1, "total_s": 1.4910565114974976}, "memory": {"peak_bytes": 1384120320, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(15,1,'confirm',3,'3931de8e3a51','{}','2026-11-21 18:24:43.246981',1.47640002978732809424e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(16,1,'pictures',0,'8c3f83dacc07','{"dtype": "bfloat16"}','2026-11-21 18:24:43.249416',1.42282999149756506085e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.1146007466316226, 1.115715347378254, 1.1168299481248858, 1.1179445488715174, 1.119059149618149], "warmup_s": [3.3438022398948677], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.3438022398948677}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113], "decode_s": 0.1, "total_s": 1.1146007466316226}, "memory": {"peak_bytes": 692060160, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.97], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_check" VALUES(17,1,'pictures',0,'9092400d5e5f','{"channels_last": true, "compile": "regional"}','2026-11-21 18:24:43.251417',1.43394001497654244303e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.4910565114974976, 1.492547568008995, 1.4940386245204926, 1.49552968103199, 1.4970207375434876], "warmup_s": [4.473169534492493], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 4.473169534492493}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489], "decode_s": 0.1, "total_s": 1.4910565114974976}, "memory": {"peak_bytes": 1384120320, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
CREATE TABLE autotune_study (
	id INTEGER NOT NULL, 
	name VARCHAR(512) NOT NULL, 
	created_at DATETIME NOT NULL, 
	"plan" JSON NOT NULL, 
	target JSON NOT NULL, 
	blueprint JSON NOT NULL, 
	workload JSON NOT NULL, 
	choices JSON NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "autotune_study" VALUES(1,'golden','2026-11-21 18:24:42.935419','{"study": "golden", "workload": {"model": "demo", "revision": "", "prompts": ["a photograph of an astronaut riding a horse"], "seeds": [0], "width_px": 0, "height_px": 0, "steps": 20, "guidance": 5.0, "batch": 1, "frames": 0, "trust_remote_code": false}, "device": "auto", "target": "", "objectives": ["latency_s", "memory_bytes", "similarity"], "memory_limit_bytes": null, "host_memory_limit_bytes": null, "min_similarity": 0.9, "budget": {"trials": 8, "seconds": null}, "trial_time_s": 900.0, "seed": 0, "allow_approximate": false, "knobs": {}, "protocol": {"settle_min": 2, "settle_max": 8, "settle_agreement": 0.03, "busy_s": 10.0, "calls_min": 3, "calls_max": 30, "interval": 0.01, "timing_s": 120.0, "retries": 2, "pairs": 5, "race": true, "baseline_every": 4, "confirm_rounds": 2, "finalists": 2}, "threads": 0, "extras": {}}','{"device": "cpu", "name": "Abacus", "memory_bytes": 17179869184, "compute_capability": null, "cores": 2, "libraries": {}, "backends": [], "has_compiler": false, "stands_for": "", "uuid": ""}','{"pipeline_class": "StableDiffusionPipeline", "parts": {}, "abilities": [], "scheduler": "", "prediction": "epsilon", "facts": {}}','{"model": "demo", "revision": "", "prompts": ["a photograph of an astronaut riding a horse"], "seeds": [0], "width_px": 64, "height_px": 64, "steps": 20, "guidance": 5.0, "batch": 1, "frames": 0, "trust_remote_code": false}','[["attention_slicing", ["none", "auto", "max"]], ["channels_last", [false, true]], ["compile", ["none", "regional", "full"]], ["dtype", ["float32", "bfloat16", "float16"]], ["fuse_qkv", [false, true]], ["prompt_embeds", ["live", "precomputed"]], ["quantization", ["none", "int8_weight_only", "int8_dynamic"]], ["vae_slicing", [false, true]], ["vae_tiling", [0, 256, 512]], ["steps", [20]]]');
CREATE TABLE autotune_trial (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	digest VARCHAR(12) NOT NULL, 
	settings JSON NOT NULL, 
	changed JSON NOT NULL, 
	preset VARCHAR(80) NOT NULL, 
	folder VARCHAR(1024) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	seconds FLOAT, 
	outcome_kind VARCHAR(32), 
	outcome JSON, 
	PRIMARY KEY (id), 
	UNIQUE (study_id, number), 
	FOREIGN KEY(study_id) REFERENCES autotune_study (id) ON DELETE CASCADE
);
INSERT INTO "autotune_trial" VALUES(1,1,0,'3931de8e3a51','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "float32", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{}','untuned','golden/trials/0000-3931de8e3a51','told','2026-11-21 18:24:42.978508','2026-11-21 18:24:42.981074',3.50041998899541795253e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(2,1,1,'8c3f83dacc07','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "bfloat16", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"dtype": "bfloat16"}','half precision','golden/trials/0001-8c3f83dacc07','told','2026-11-21 18:24:43.019745','2026-11-21 18:24:43.021073',0.000386064999474911,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.1146007466316226, 1.115715347378254, 1.1168299481248858, 1.1179445488715174, 1.119059149618149], "warmup_s": [3.3438022398948677], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.3438022398948677}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113, 0.05573003733158113], "decode_s": 0.1, "total_s": 1.1146007466316226}, "memory": {"peak_bytes": 692060160, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.97], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(3,1,2,'b03fe7e3a1bb','{"attention_slicing": "none", "channels_last": true, "compile": "none", "dtype": "float32", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true}','channels last, half precision','golden/trials/0002-b03fe7e3a1bb','told','2026-11-21 18:24:43.052596','2026-11-21 18:24:43.053853',3.56962002115324139595e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.8847080717802047, 1.8865927798519848, 1.8884774879237651, 1.8903621959955452, 1.8922469040673255], "warmup_s": [5.654124215340614], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 5.654124215340614}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024, 0.09423540358901024], "decode_s": 0.1, "total_s": 1.8847080717802047}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(4,1,3,'9092400d5e5f','{"attention_slicing": "none", "channels_last": true, "compile": "regional", "dtype": "float32", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true, "compile": "regional"}','regional compile','golden/trials/0003-9092400d5e5f','told','2026-11-21 18:24:43.085441','2026-11-21 18:24:43.086711',3.7994699960108846426e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.4910565114974976, 1.492547568008995, 1.4940386245204926, 1.49552968103199, 1.4970207375434876], "warmup_s": [4.473169534492493], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 4.473169534492493}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489, 0.07455282557487489], "decode_s": 0.1, "total_s": 1.4910565114974976}, "memory": {"peak_bytes": 1384120320, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(5,1,4,'36bfb6cb6712','{"attention_slicing": "none", "channels_last": true, "compile": "full", "dtype": "float32", "fuse_qkv": true, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true, "compile": "full", "fuse_qkv": true}','diffusion, fast','golden/trials/0004-36bfb6cb6712','told','2026-11-21 18:24:43.119980','2026-11-21 18:24:43.121306',4.25553997047245502471e-04,'out of memory','{"outcome": "failure", "schema_version": 1, "kind": "out of memory", "message": "A synthetic out of memory.", "phase": "first call", "knob": "", "log": "Traceback\nBoom", "phases_s": {}, "environment": {}}');
INSERT INTO "autotune_trial" VALUES(6,1,5,'fa22791bc29e','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "float32", "fuse_qkv": false, "prompt_embeds": "precomputed", "quantization": "none", "vae_slicing": true, "vae_tiling": 0, "steps": 20}','{"prompt_embeds": "precomputed", "vae_slicing": true}','small','golden/trials/0005-fa22791bc29e','told','2026-11-21 18:24:43.148064','2026-11-21 18:24:43.149374',4.1393700303160585463e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.0117968916893005, 2.0138086885809896, 2.015820485472679, 2.017832282364368, 2.0198440792560577], "warmup_s": [6.035390675067902], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.035390675067902}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503, 0.10058984458446503], "decode_s": 0.1, "total_s": 2.0117968916893005}, "memory": {"peak_bytes": 962592768, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(7,1,6,'801798e2730b','{"attention_slicing": "none", "channels_last": true, "compile": "full", "dtype": "float32", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "int8_dynamic", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true, "compile": "full", "quantization": "int8_dynamic"}','int8, fast','golden/trials/0006-801798e2730b','told','2026-11-21 18:24:43.180571','2026-11-21 18:24:43.181923',3.7479899765457957983e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.1110617851639988, 1.1121728469491627, 1.1132839087343267, 1.1143949705194907, 1.1155060323046548], "warmup_s": [3.333185355491996], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.333185355491996}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994, 0.05555308925819994], "decode_s": 0.1, "total_s": 1.1110617851639988}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.94], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(8,1,7,'de3f5b49de9f','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "float32", "fuse_qkv": false, "prompt_embeds": "precomputed", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"prompt_embeds": "precomputed"}','precomputed prompts','golden/trials/0007-de3f5b49de9f','told','2026-11-21 18:24:43.214205','2026-11-21 18:24:43.215514',3.83663002139655873179e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.0092860436439515, 2.011295329687595, 2.0133046157312395, 2.015313901774883, 2.017323187818527], "warmup_s": [6.027858130931854], "discarded_s": [], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.027858130931854}, "conditions": {}, "energy_j": null, "compile_cache": "", "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757, 0.10046430218219757], "decode_s": 0.1, "total_s": 2.0092860436439515}, "memory": {"peak_bytes": 1069547520, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "ms_ssim": [], "ratios": {}, "step_error": [], "why_no_step_error": "", "flaws": [], "is_exact": null, "sha256": [], "extras": {}}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'golden');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',1,1);
INSERT INTO "study_directions" VALUES(3,'MAXIMIZE',1,2);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["latency_s", "memory_gib", "similarity"]');
INSERT INTO "study_system_attributes" VALUES(2,1,'dashboard:1:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(3,1,'dashboard:1:note_str:0','"**untuned** (preset ''untuned'')\n\n| | this | untuned |\n|---|---|---|\n| latency | 2.04 s | 2.04 s |\n| memory | 1.17 GiB | 1.17 GiB |\n| similarity | 1.0000 | 1.0000 |\n| first picture | 6.71 s | 6.71 s |\n\n\n1.00 times as fast as untuned.\n\n![picture](/artifacts/1/1/d7564427-fd4f-4d84-a2c6-0a2a2109b3c5)"');
INSERT INTO "study_system_attributes" VALUES(4,1,'dashboard:note_ver','9');
INSERT INTO "study_system_attributes" VALUES(5,1,'dashboard:note_str:0','"# demo on Abacus (cpu, 16 GiB, 2 cores)\n\nLimits: similarity >= 0.9000.\n8 trials; on the front: 6; failed: 1 out of memory.\nNoise floor 1.0000 (nine of ten pairs 1.0000 or more): the similarity of recipes that only compute in another order (channels_last, fuse_qkv); whether the untuned pipeline repeats its pictures is not known.\n\n| pick | trial | latency | memory | similarity | recipe |\n|---|---|---|---|---|---|\n| knee | 1 | 1.12 s | 660 MiB | 0.9700 | dtype=bfloat16 |\n| fastest | 1 | 1.12 s | 660 MiB | 0.9700 | dtype=bfloat16 |\n| smallest | 1 | 1.12 s | 660 MiB | 0.9700 | dtype=bfloat16 |\n| closest | 3 | 1.49 s | 1.29 GiB | 1.0000 | channels_last compile=regional |"');
INSERT INTO "study_system_attributes" VALUES(6,1,'dashboard:2:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(7,1,'dashboard:2:note_str:0','"**dtype=bfloat16** (preset ''half precision'')\n\n| | this | untuned |\n|---|---|---|\n| latency | 1.12 s | 2.04 s |\n| memory | 660 MiB | 1.17 GiB |\n| similarity | 0.9700 | 1.0000 |\n| first picture | 3.95 s | 6.71 s |\n\n\n1.83 times as fast as untuned.\n\n![picture](/artifacts/1/2/8174a550-7c10-4d41-bc73-92ca8c417092)\n\n| knob | value |\n|---|---|\n| dtype | bfloat16 |"');
INSERT INTO "study_system_attributes" VALUES(8,1,'dashboard:3:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(9,1,'dashboard:3:note_str:0','"**channels_last** (preset ''channels last, half precision'')\n\n| | this | untuned |\n|---|---|---|\n| latency | 1.89 s | 2.04 s |\n| memory | 1.17 GiB | 1.17 GiB |\n| similarity | 1.0000 | 1.0000 |\n| first picture | 6.26 s | 6.71 s |\n\n\n1.08 times as fast as untuned.\n\n![picture](/artifacts/1/3/e5e2df28-9088-404a-b69b-5782b5da1fda)\n\n| knob | value |\n|---|---|\n| channels_last | True |"');
INSERT INTO "study_system_attributes" VALUES(10,1,'dashboard:4:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(11,1,'dashboard:4:note_str:0','"**channels_last compile=regional** (preset ''regional compile'')\n\n| | this | untuned |\n|---|---|---|\n| latency | 1.49 s | 2.04 s |\n| memory | 1.29 GiB | 1.17 GiB |\n| similarity | 1.0000 | 1.0000 |\n| first picture | 5.08 s | 6.71 s |\n\n\n1.36 times as fast as untuned.\n\n![picture](/artifacts/1/4/38c5fbbc-065f-4e0a-8fc8-c6c6f98ea276)\n\n| knob | value |\n|---|---|\n| channels_last | True |\n| compile | regional |"');
INSERT INTO "study_system_attributes" VALUES(12,1,'dashboard:5:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(13,1,'dashboard:5:note_str:0','"**channels_last compile=full fuse_qkv** (preset ''diffusion, fast'')\n\nFailed during first call: **out of memory**. A synthetic out of memory.\n\n```text\nTraceback\nBoom\n```\n\n| knob | value |\n|---|---|\n| channels_last | True |\n| compile | full |\n| fuse_qkv | True |"');
INSERT INTO "study_system_attributes" VALUES(14,1,'dashboard:6:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(15,1,'dashboard:6:note_str:0','"**prompt_embeds=precomputed vae_slicing** (preset ''small'')\n\n| | this | untuned |\n|---|---|---|\n| latency | 2.02 s | 2.04 s |\n| memory | 918 MiB | 1.17 GiB |\n| similarity | 1.0000 | 1.0000 |\n| first picture | 6.65 s | 6.71 s |\n\n\n1.01 times as fast as untuned.\n\n![picture](/artifacts/1/6/ebd8996f-d041-4e97-a7df-0708c14e5763)\n\n| knob | value |\n|---|---|\n| prompt_embeds | precomputed |\n| vae_slicing | True |"');
INSERT INTO "study_system_attributes" VALUES(16,1,'dashboard:7:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(17,1,'dashboard:7:note_str:0','"**channels_last compile=full quantization=int8_dynamic** (preset ''int8, fast'')\n\n| | this | untuned |\n|---|---|---|\n| latency | 1.11 s | 2.04 s |\n| memory | 1.17 GiB | 1.17 GiB |\n| similarity | 0.9400 | 1.0000 |\n| first picture | 3.94 s | 6.71 s |\n\n\n1.83 times as fast as untuned.\n\n![picture](/artifacts/1/7/92fbfdb5-94aa-44fe-a948-8fa209cea0f7)\n\n| knob | value |\n|---|---|\n| channels_last | True |\n| compile | full |\n| quantization | int8_dynamic |"');
INSERT INTO "study_system_attributes" VALUES(18,1,'dashboard:8:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(19,1,'dashboard:8:note_str:0','"**prompt_embeds=precomputed** (preset ''precomputed prompts'')\n\n| | this | untuned |\n|---|---|---|\n| latency | 2.01 s | 2.04 s |\n| memory | 1020 MiB | 1.17 GiB |\n| similarity | 1.0000 | 1.0000 |\n| first picture | 6.64 s | 6.71 s |\n\n\n1.01 times as fast as untuned.\n\n![picture](/artifacts/1/8/08aa9437-9514-4e1e-ac26-f32e9ea0356a)\n\n| knob | value |\n|---|---|\n| prompt_embeds | precomputed |"');
INSERT INTO "study_system_attributes" VALUES(20,1,'dashboard:plot_data:pareto-front:0','"{\"data\":[{\"marker\":{\"color\":[0.97,1.0,1.0,1.0,0.94,1.0],\"coloraxis\":\"coloraxis\",\"size\":14,\"symbol\":\"star\"},\"mode\":\"markers\",\"name\":\"Pareto front\",\"text\":[\"1: dtype=bfloat16\",\"2: channels_last\",\"3: channels_last compile=regional\",\"5: prompt_embeds=precomputed vae_slicing\",\"6: channels_last compile=full quantization=int8_dynamic\",\"7: prompt_embeds=precomputed\"],\"x\":[1.1168299481248858,1.8884774879237651,1.4940386245204926,2.015820485472679,1.1132839087343267,2.0133046157312395],\"y\":[0.64453125,1.171875,1.2890625,0.896484375,1.171875,0.99609375],\"type\":\"scatter\"},{\"marker\":{\"color\":[1.0],\"coloraxis\":\"coloraxis\",\"size\":9,\"symbol\":\"circle\"},\"mode\":\"markers\",\"name\":\"fit\",\"text\":[\"0: untuned\"],\"x\":[2.0387275314760207],\"y\":[1.171875],\"type\":\"scatter\"},{\"marker\":{\"color\":[],\"coloraxis\":\"coloraxis\",\"size\":8,\"symbol\":\"x-thin-open\"},\"mode\":\"markers\",\"name\":\"beyond a limit\",\"text\":[],\"x\":[],\"y\":[],\"type\":\"scatter\"}],\"layout\":{\"template\":{\"data\":{\"histogram2dcontour\":[{\"type\":\"histogram2dcontour\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"},\"colorscale\":[[0.0,\"#0d0887\"],[0.1111111111111111,\"#46039f\"],[0.2222222222222222,\"#7201a8\"],[0.3333333333333333,\"#9c179e\"],[0.4444444444444444,\"#bd3786\"],[0.5555555555555556,\"#d8576b\"],[0.6666666666666666,\"#ed7953\"],[0.7777777777777778,\"#fb9f3a\"],[0.8888888888888888,\"#fdca26\"],[1.0,\"#f0f921\"]]}],\"choropleth\":[{\"type\":\"choropleth\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}],\"histogram2d\":[{\"type\":\"histogram2d\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"},\"colorscale\":[[0.0,\"#0d0887\"],[0.1111111111111111,\"#46039f\"],[0.2222222222222222,\"#7201a8\"],[0.3333333333333333,\"#9c179e\"],[0.4444444444444444,\"#bd3786\"],[0.5555555555555556,\"#d8576b\"],[0.6666666666666666,\"#ed7953\"],[0.7777777777777778,\"#fb9f3a\"],[0.8888888888888888,\"#fdca26\"],[1.0,\"#f0f921\"]]}],\"heatmap\":[{\"type\":\"heatmap\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"},\"colorscale\":[[0.0,\"#0d0887\"],[0.1111111111111111,\"#46039f\"],[0.2222222222222222,\"#7201a8\"],[0.3333333333333333,\"#9c179e\"],[0.4444444444444444,\"#bd3786\"],[0.5555555555555556,\"#d8576b\"],["');
INSERT INTO "study_system_attributes" VALUES(21,1,'dashboard:plot_data:pareto-front:1','"0.6666666666666666,\"#ed7953\"],[0.7777777777777778,\"#fb9f3a\"],[0.8888888888888888,\"#fdca26\"],[1.0,\"#f0f921\"]]}],\"contourcarpet\":[{\"type\":\"contourcarpet\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}],\"contour\":[{\"type\":\"contour\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"},\"colorscale\":[[0.0,\"#0d0887\"],[0.1111111111111111,\"#46039f\"],[0.2222222222222222,\"#7201a8\"],[0.3333333333333333,\"#9c179e\"],[0.4444444444444444,\"#bd3786\"],[0.5555555555555556,\"#d8576b\"],[0.6666666666666666,\"#ed7953\"],[0.7777777777777778,\"#fb9f3a\"],[0.8888888888888888,\"#fdca26\"],[1.0,\"#f0f921\"]]}],\"surface\":[{\"type\":\"surface\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"},\"colorscale\":[[0.0,\"#0d0887\"],[0.1111111111111111,\"#46039f\"],[0.2222222222222222,\"#7201a8\"],[0.3333333333333333,\"#9c179e\"],[0.4444444444444444,\"#bd3786\"],[0.5555555555555556,\"#d8576b\"],[0.6666666666666666,\"#ed7953\"],[0.7777777777777778,\"#fb9f3a\"],[0.8888888888888888,\"#fdca26\"],[1.0,\"#f0f921\"]]}],\"mesh3d\":[{\"type\":\"mesh3d\",\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}],\"scatter\":[{\"fillpattern\":{\"fillmode\":\"overlay\",\"size\":10,\"solidity\":0.2},\"type\":\"scatter\"}],\"parcoords\":[{\"type\":\"parcoords\",\"line\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"scatterpolargl\":[{\"type\":\"scatterpolargl\",\"marker\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"bar\":[{\"error_x\":{\"color\":\"#2a3f5f\"},\"error_y\":{\"color\":\"#2a3f5f\"},\"marker\":{\"line\":{\"color\":\"#E5ECF6\",\"width\":0.5},\"pattern\":{\"fillmode\":\"overlay\",\"size\":10,\"solidity\":0.2}},\"type\":\"bar\"}],\"scattergeo\":[{\"type\":\"scattergeo\",\"marker\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"scatterpolar\":[{\"type\":\"scatterpolar\",\"marker\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"histogram\":[{\"marker\":{\"pattern\":{\"fillmode\":\"overlay\",\"size\":10,\"solidity\":0.2}},\"type\":\"histogram\"}],\"scattergl\":[{\"type\":\"scattergl\",\"marker\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"scatter3d\":[{\"type\":\"scatter3d\",\"line\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}},\"marker\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"scattermap\":[{\"type\":\"scattermap\",\"marker\":{\"colorbar\":{\"outlinewidth"');
INSERT INTO "study_system_attributes" VALUES(22,1,'dashboard:plot_data:pareto-front:2','"\":0,\"ticks\":\"\"}}}],\"scatterternary\":[{\"type\":\"scatterternary\",\"marker\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"scattercarpet\":[{\"type\":\"scattercarpet\",\"marker\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}}}],\"carpet\":[{\"aaxis\":{\"endlinecolor\":\"#2a3f5f\",\"gridcolor\":\"white\",\"linecolor\":\"white\",\"minorgridcolor\":\"white\",\"startlinecolor\":\"#2a3f5f\"},\"baxis\":{\"endlinecolor\":\"#2a3f5f\",\"gridcolor\":\"white\",\"linecolor\":\"white\",\"minorgridcolor\":\"white\",\"startlinecolor\":\"#2a3f5f\"},\"type\":\"carpet\"}],\"table\":[{\"cells\":{\"fill\":{\"color\":\"#EBF0F8\"},\"line\":{\"color\":\"white\"}},\"header\":{\"fill\":{\"color\":\"#C8D4E3\"},\"line\":{\"color\":\"white\"}},\"type\":\"table\"}],\"barpolar\":[{\"marker\":{\"line\":{\"color\":\"#E5ECF6\",\"width\":0.5},\"pattern\":{\"fillmode\":\"overlay\",\"size\":10,\"solidity\":0.2}},\"type\":\"barpolar\"}],\"pie\":[{\"automargin\":true,\"type\":\"pie\"}]},\"layout\":{\"autotypenumbers\":\"strict\",\"colorway\":[\"#636efa\",\"#EF553B\",\"#00cc96\",\"#ab63fa\",\"#FFA15A\",\"#19d3f3\",\"#FF6692\",\"#B6E880\",\"#FF97FF\",\"#FECB52\"],\"font\":{\"color\":\"#2a3f5f\"},\"hovermode\":\"closest\",\"hoverlabel\":{\"align\":\"left\"},\"paper_bgcolor\":\"white\",\"plot_bgcolor\":\"#E5ECF6\",\"polar\":{\"bgcolor\":\"#E5ECF6\",\"angularaxis\":{\"gridcolor\":\"white\",\"linecolor\":\"white\",\"ticks\":\"\"},\"radialaxis\":{\"gridcolor\":\"white\",\"linecolor\":\"white\",\"ticks\":\"\"}},\"ternary\":{\"bgcolor\":\"#E5ECF6\",\"aaxis\":{\"gridcolor\":\"white\",\"linecolor\":\"white\",\"ticks\":\"\"},\"baxis\":{\"gridcolor\":\"white\",\"linecolor\":\"white\",\"ticks\":\"\"},\"caxis\":{\"gridcolor\":\"white\",\"linecolor\":\"white\",\"ticks\":\"\"}},\"coloraxis\":{\"colorbar\":{\"outlinewidth\":0,\"ticks\":\"\"}},\"colorscale\":{\"sequential\":[[0.0,\"#0d0887\"],[0.1111111111111111,\"#46039f\"],[0.2222222222222222,\"#7201a8\"],[0.3333333333333333,\"#9c179e\"],[0.4444444444444444,\"#bd3786\"],[0.5555555555555556,\"#d8576b\"],[0.6666666666666666,\"#ed7953\"],[0.7777777777777778,\"#fb9f3a\"],[0.8888888888888888,\"#fdca26\"],[1.0,\"#f0f921\"]],\"sequentialminus\":[[0.0,\"#0d0887\"],[0.1111111111111111,\"#46039f\"],[0.2222222222222222,\"#7201a8\"],[0.3333333333333333,\"#9c179e\"],[0.4444444444444444,\"#bd3786\"],[0.5555555555555556,\"#d8576b\"],[0.666"');
INSERT INTO "study_system_attributes" VALUES(23,1,'dashboard:plot_data:pareto-front:3','"6666666666666,\"#ed7953\"],[0.7777777777777778,\"#fb9f3a\"],[0.8888888888888888,\"#fdca26\"],[1.0,\"#f0f921\"]],\"diverging\":[[0,\"#8e0152\"],[0.1,\"#c51b7d\"],[0.2,\"#de77ae\"],[0.3,\"#f1b6da\"],[0.4,\"#fde0ef\"],[0.5,\"#f7f7f7\"],[0.6,\"#e6f5d0\"],[0.7,\"#b8e186\"],[0.8,\"#7fbc41\"],[0.9,\"#4d9221\"],[1,\"#276419\"]]},\"xaxis\":{\"gridcolor\":\"white\",\"linecolor\":\"white\",\"ticks\":\"\",\"title\":{\"standoff\":15},\"zerolinecolor\":\"white\",\"automargin\":true,\"zerolinewidth\":2},\"yaxis\":{\"gridcolor\":\"white\",\"linecolor\":\"white\",\"ticks\":\"\",\"title\":{\"standoff\":15},\"zerolinecolor\":\"white\",\"automargin\":true,\"zerolinewidth\":2},\"scene\":{\"xaxis\":{\"backgroundcolor\":\"#E5ECF6\",\"gridcolor\":\"white\",\"linecolor\":\"white\",\"showbackground\":true,\"ticks\":\"\",\"zerolinecolor\":\"white\",\"gridwidth\":2},\"yaxis\":{\"backgroundcolor\":\"#E5ECF6\",\"gridcolor\":\"white\",\"linecolor\":\"white\",\"showbackground\":true,\"ticks\":\"\",\"zerolinecolor\":\"white\",\"gridwidth\":2},\"zaxis\":{\"backgroundcolor\":\"#E5ECF6\",\"gridcolor\":\"white\",\"linecolor\":\"white\",\"showbackground\":true,\"ticks\":\"\",\"zerolinecolor\":\"white\",\"gridwidth\":2}},\"shapedefaults\":{\"line\":{\"color\":\"#2a3f5f\"}},\"annotationdefaults\":{\"arrowcolor\":\"#2a3f5f\",\"arrowhead\":0,\"arrowwidth\":1},\"geo\":{\"bgcolor\":\"white\",\"landcolor\":\"#E5ECF6\",\"subunitcolor\":\"white\",\"showland\":true,\"showlakes\":true,\"lakecolor\":\"white\"},\"title\":{\"x\":0.05}}},\"coloraxis\":{\"colorscale\":[[0.0,\"#440154\"],[0.1111111111111111,\"#482878\"],[0.2222222222222222,\"#3e4989\"],[0.3333333333333333,\"#31688e\"],[0.4444444444444444,\"#26828e\"],[0.5555555555555556,\"#1f9e89\"],[0.6666666666666666,\"#35b779\"],[0.7777777777777778,\"#6ece58\"],[0.8888888888888888,\"#b5de2b\"],[1.0,\"#fde725\"]],\"colorbar\":{\"title\":{\"text\":\"similarity\"}}},\"legend\":{\"orientation\":\"h\"},\"title\":{\"text\":\"golden: Pareto front\"},\"xaxis\":{\"title\":{\"text\":\"latency, s\"}},\"yaxis\":{\"title\":{\"text\":\"memory, GiB\"}}}}"');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(2,1,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(3,1,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(4,1,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(5,1,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(6,1,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(7,1,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(8,1,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(9,1,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(10,1,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(11,2,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(12,2,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(13,2,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(14,2,'dtype',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(15,2,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(16,2,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(17,2,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(18,2,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(19,2,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(20,2,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(21,3,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(22,3,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(23,3,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(24,3,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(25,3,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(26,3,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(27,3,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(28,3,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(29,3,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(30,3,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(31,4,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(32,4,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(33,4,'compile',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(34,4,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(35,4,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(36,4,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(37,4,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(38,4,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(39,4,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(40,4,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(41,5,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(42,5,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(43,5,'compile',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(44,5,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(45,5,'fuse_qkv',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(46,5,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(47,5,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(48,5,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(49,5,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(50,5,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(51,6,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(52,6,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(53,6,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(54,6,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(55,6,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(56,6,'prompt_embeds',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(57,6,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(58,6,'vae_slicing',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(59,6,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(60,6,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(61,7,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(62,7,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(63,7,'compile',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(64,7,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(65,7,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(66,7,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(67,7,'quantization',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(68,7,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(69,7,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(70,7,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(71,8,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(72,8,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(73,8,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(74,8,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(75,8,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(76,8,'prompt_embeds',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(77,8,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(78,8,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(79,8,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(80,8,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'constraints:similarity','-0.11111111111111108');
INSERT INTO "trial_system_attributes" VALUES(2,1,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(3,1,'constraints','[-0.11111111111111108, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(4,1,'artifacts:d7564427-fd4f-4d84-a2c6-0a2a2109b3c5','"{\"artifact_id\": \"d7564427-fd4f-4d84-a2c6-0a2a2109b3c5\", \"filename\": \"0.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(5,2,'constraints:similarity','-0.07777777777777772');
INSERT INTO "trial_system_attributes" VALUES(6,2,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(7,2,'constraints','[-0.07777777777777772, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(8,2,'artifacts:8174a550-7c10-4d41-bc73-92ca8c417092','"{\"artifact_id\": \"8174a550-7c10-4d41-bc73-92ca8c417092\", \"filename\": \"0.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(9,3,'constraints:similarity','-0.11111111111111108');
INSERT INTO "trial_system_attributes" VALUES(10,3,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(11,3,'constraints','[-0.11111111111111108, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(12,3,'artifacts:e5e2df28-9088-404a-b69b-5782b5da1fda','"{\"artifact_id\": \"e5e2df28-9088-404a-b69b-5782b5da1fda\", \"filename\": \"0.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(13,4,'constraints:similarity','-0.11111111111111108');
INSERT INTO "trial_system_attributes" VALUES(14,4,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(15,4,'constraints','[-0.11111111111111108, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(16,4,'artifacts:38c5fbbc-065f-4e0a-8fc8-c6c6f98ea276','"{\"artifact_id\": \"38c5fbbc-065f-4e0a-8fc8-c6c6f98ea276\", \"filename\": \"0.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(17,5,'constraints:failed','1.0');
INSERT INTO "trial_system_attributes" VALUES(18,5,'constraints','[1.0]');
INSERT INTO "trial_system_attributes" VALUES(19,6,'constraints:similarity','-0.11111111111111108');
INSERT INTO "trial_system_attributes" VALUES(20,6,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(21,6,'constraints','[-0.11111111111111108, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(22,6,'artifacts:ebd8996f-d041-4e97-a7df-0708c14e5763','"{\"artifact_id\": \"ebd8996f-d041-4e97-a7df-0708c14e5763\", \"filename\": \"0.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(23,7,'constraints:similarity','-0.04444444444444436');
INSERT INTO "trial_system_attributes" VALUES(24,7,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(25,7,'constraints','[-0.04444444444444436, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(26,7,'artifacts:92fbfdb5-94aa-44fe-a948-8fa209cea0f7','"{\"artifact_id\": \"92fbfdb5-94aa-44fe-a948-8fa209cea0f7\", \"filename\": \"0.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(27,8,'constraints:similarity','-0.11111111111111108');
INSERT INTO "trial_system_attributes" VALUES(28,8,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(29,8,'constraints','[-0.11111111111111108, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(30,8,'artifacts:08aa9437-9514-4e1e-ac26-f32e9ea0356a','"{\"artifact_id\": \"08aa9437-9514-4e1e-ac26-f32e9ea0356a\", \"filename\": \"0.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'recipe','"untuned"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'digest','"3931de8e3a51"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'preset','"untuned"');
INSERT INTO "trial_user_attributes" VALUES(4,1,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(5,1,'seconds','{"trial": 0.00035, "cold": 6.713975, "call": 2.038728, "text": 0.01, "steps": 2.034658, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(6,2,'recipe','"dtype=bfloat16"');
INSERT INTO "trial_user_attributes" VALUES(7,2,'digest','"8c3f83dacc07"');
INSERT INTO "trial_user_attributes" VALUES(8,2,'preset','"half precision"');
INSERT INTO "trial_user_attributes" VALUES(9,2,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(10,2,'seconds','{"trial": 0.000386, "cold": 3.953802, "call": 1.11683, "text": 0.01, "steps": 1.114601, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(11,3,'recipe','"channels_last"');
INSERT INTO "trial_user_attributes" VALUES(12,3,'digest','"b03fe7e3a1bb"');
INSERT INTO "trial_user_attributes" VALUES(13,3,'preset','"channels last, half precision"');
INSERT INTO "trial_user_attributes" VALUES(14,3,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(15,3,'seconds','{"trial": 0.000357, "cold": 6.264124, "call": 1.888477, "text": 0.01, "steps": 1.884708, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(16,4,'recipe','"channels_last compile=regional"');
INSERT INTO "trial_user_attributes" VALUES(17,4,'digest','"9092400d5e5f"');
INSERT INTO "trial_user_attributes" VALUES(18,4,'preset','"regional compile"');
INSERT INTO "trial_user_attributes" VALUES(19,4,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(20,4,'seconds','{"trial": 0.00038, "cold": 5.08317, "call": 1.494039, "text": 0.01, "steps": 1.491057, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(21,5,'recipe','"channels_last compile=full fuse_qkv"');
INSERT INTO "trial_user_attributes" VALUES(22,5,'digest','"36bfb6cb6712"');
INSERT INTO "trial_user_attributes" VALUES(23,5,'preset','"diffusion, fast"');
INSERT INTO "trial_user_attributes" VALUES(24,5,'outcome','"out of memory"');
INSERT INTO "trial_user_attributes" VALUES(25,5,'message','"A synthetic out of memory."');
INSERT INTO "trial_user_attributes" VALUES(26,6,'recipe','"prompt_embeds=precomputed vae_slicing"');
INSERT INTO "trial_user_attributes" VALUES(27,6,'digest','"fa22791bc29e"');
INSERT INTO "trial_user_attributes" VALUES(28,6,'preset','"small"');
INSERT INTO "trial_user_attributes" VALUES(29,6,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(30,6,'seconds','{"trial": 0.000414, "cold": 6.645391, "call": 2.01582, "text": 0.01, "steps": 2.011797, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(31,7,'recipe','"channels_last compile=full quantization=int8_dynamic"');
INSERT INTO "trial_user_attributes" VALUES(32,7,'digest','"801798e2730b"');
INSERT INTO "trial_user_attributes" VALUES(33,7,'preset','"int8, fast"');
INSERT INTO "trial_user_attributes" VALUES(34,7,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(35,7,'seconds','{"trial": 0.000375, "cold": 3.943185, "call": 1.113284, "text": 0.01, "steps": 1.111062, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(36,8,'recipe','"prompt_embeds=precomputed"');
INSERT INTO "trial_user_attributes" VALUES(37,8,'digest','"de3f5b49de9f"');
INSERT INTO "trial_user_attributes" VALUES(38,8,'preset','"precomputed prompts"');
INSERT INTO "trial_user_attributes" VALUES(39,8,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(40,8,'seconds','{"trial": 0.000384, "cold": 6.637858, "call": 2.013305, "text": 0.01, "steps": 2.009286, "decode": 0.1}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,2.03872753147602070455e+00,'FINITE');
INSERT INTO "trial_values" VALUES(2,1,1,1.171875,'FINITE');
INSERT INTO "trial_values" VALUES(3,1,2,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(4,2,0,1.11682994812488578517e+00,'FINITE');
INSERT INTO "trial_values" VALUES(5,2,1,0.64453125,'FINITE');
INSERT INTO "trial_values" VALUES(6,2,2,0.97,'FINITE');
INSERT INTO "trial_values" VALUES(7,3,0,1.88847748792376513016e+00,'FINITE');
INSERT INTO "trial_values" VALUES(8,3,1,1.171875,'FINITE');
INSERT INTO "trial_values" VALUES(9,3,2,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(10,4,0,1.49403862452049263076e+00,'FINITE');
INSERT INTO "trial_values" VALUES(11,4,1,1.2890625,'FINITE');
INSERT INTO "trial_values" VALUES(12,4,2,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(13,6,0,2.01582048547267911331e+00,'FINITE');
INSERT INTO "trial_values" VALUES(14,6,1,0.896484375,'FINITE');
INSERT INTO "trial_values" VALUES(15,6,2,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(16,7,0,1.11328390873432669927e+00,'FINITE');
INSERT INTO "trial_values" VALUES(17,7,1,1.171875,'FINITE');
INSERT INTO "trial_values" VALUES(18,7,2,0.94,'FINITE');
INSERT INTO "trial_values" VALUES(19,8,0,2.013304615731239533e+00,'FINITE');
INSERT INTO "trial_values" VALUES(20,8,1,0.99609375,'FINITE');
INSERT INTO "trial_values" VALUES(21,8,2,1.0,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-21 18:24:42.958936','2026-11-21 18:24:43.002229');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-21 18:24:43.010664','2026-11-21 18:24:43.036295');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-21 18:24:43.043858','2026-11-21 18:24:43.069213');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-21 18:24:43.076476','2026-11-21 18:24:43.102635');
INSERT INTO "trials" VALUES(5,4,1,'PRUNED','2026-11-21 18:24:43.111135','2026-11-21 18:24:43.132369');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-21 18:24:43.139072','2026-11-21 18:24:43.164742');
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-11-21 18:24:43.171938','2026-11-21 18:24:43.197557');
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-21 18:24:43.205090','2026-11-21 18:24:43.231399');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE INDEX ix_autotune_trial_state ON autotune_trial (state);
CREATE INDEX ix_autotune_trial_study_id ON autotune_trial (study_id);
CREATE INDEX ix_autotune_trial_digest ON autotune_trial (digest);
CREATE INDEX ix_autotune_check_study_id ON autotune_check (study_id);
CREATE INDEX ix_autotune_check_purpose ON autotune_check (purpose);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
